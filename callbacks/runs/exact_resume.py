"""Random states in the checkpoint, so that a resumed run takes the same steps."""

import random
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn
from typing_extensions import override

from lightning_modules.core.lightning_internals import (
    add_epoch_sums,
    epoch_sums,
    is_fitting,
)

KEY = "random_states"
SUMS = "epoch_sums"


class ExactResume(Callback):
    """Keeps the global random states of every process in the checkpoint.

    Lightning's checkpoints hold weights, optimizers and counters but no random
    state, so dropout, for instance, goes on with other numbers. Here the states of
    Python, NumPy, torch and the accelerator are gathered from all ranks and set
    again just before the first batch after a resume, when set-up and sanity
    checks have used up what they use. (A module's own generators and the place in
    the data are stored by the module and the datamodule.) What was logged by epoch
    (``self.log(..., on_epoch=True)``) goes on from what it had added up to.

    Put it before other callbacks that draw from the global generators during
    training.

    Raises:
        ValueError: If a run is resumed with another number of processes.
    """

    def __init__(self) -> None:
        self._pending: dict[str, Any] | None = None
        self._sums: dict[str, list[torch.Tensor]] = {}

    @override
    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        add_epoch_sums(trainer, self._sums)
        own = random_states(trainer.strategy.root_device)
        own[SUMS] = epoch_sums(trainer) | self._sums
        checkpoint[KEY] = _gather(own, trainer.world_size)

    @override
    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep this rank's states until training starts."""
        if not is_fitting(trainer):
            return
        states = checkpoint.get(KEY)
        if states is None:
            rank_zero_warn(
                "The checkpoint was saved without ExactResume: this run goes on with "
                "other random numbers than the interrupted one."
            )
            return
        if len(states) != trainer.world_size:
            raise ValueError(
                f"The checkpoint was saved by {len(states)} process(es), but this run "
                f"has {trainer.world_size}: set trainer.devices and trainer.num_nodes "
                "as they were, or start a new run from its weights."
            )
        self._pending = states[trainer.global_rank]

    @override
    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, *_: Any
    ) -> None:
        add_epoch_sums(trainer, self._sums)
        if self._pending is not None:
            set_random_states(self._pending, trainer.strategy.root_device)
            self._sums = dict(self._pending.get(SUMS, {}))
            self._pending = None

    @override
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let what is written of the epoch hold all its batches."""
        add_epoch_sums(trainer, self._sums)
        self._sums = {}


def random_states(device: torch.device) -> dict[str, Any]:
    """Python's, NumPy's, torch's and the device's random state.

    Returns:
        Tensors, lists and numbers only, so that ``torch.load(weights_only=True)``
        reads them back.
    """
    version, words, gauss = random.getstate()
    array: Any = np.random.get_state(legacy=False)  # noqa: NPY002 (the global state)
    states = {
        "python": [version, torch.tensor(words), gauss],
        "numpy": {
            "key": torch.tensor(array["state"]["key"].astype(np.int64)),
            "pos": int(array["state"]["pos"]),
            "has_gauss": int(array["has_gauss"]),
            "gauss": float(array["gauss"]),
        },
        "torch": torch.get_rng_state(),
    }
    if device.type != "cpu":
        states["device"] = torch.get_device_module(device).get_rng_state(device)
    return states


def set_random_states(states: dict[str, Any], device: torch.device) -> None:
    """Set what `random_states` returned.

    >>> states = random_states(torch.device("cpu"))
    >>> first = torch.rand(3), random.random()
    >>> set_random_states(states, torch.device("cpu"))
    >>> bool((first[0] == torch.rand(3)).all()), first[1] == random.random()
    (True, True)
    """
    version, words, gauss = states["python"]
    random.setstate((version, tuple(words.tolist()), gauss))
    array = states["numpy"]
    key = array["key"].cpu().numpy().astype(np.uint32)
    state = ("MT19937", key, array["pos"], array["has_gauss"], array["gauss"])
    np.random.set_state(state)  # noqa: NPY002 (the global state)
    torch.set_rng_state(states["torch"].cpu())
    if device.type != "cpu" and "device" in states:
        torch.get_device_module(device).set_rng_state(states["device"].cpu(), device)


def _gather(own: dict[str, Any], world_size: int) -> list[dict[str, Any]]:
    if world_size == 1:
        return [own]
    everyone: list[Any] = [None] * world_size
    dist.all_gather_object(everyone, own)
    return everyone
