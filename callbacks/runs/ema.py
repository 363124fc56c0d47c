"""Exponential moving average of a generator's or encoder's weights."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from weakref import ReferenceType, ref

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn
from typing_extensions import override

from callbacks.core.every_n_steps import EveryNSteps
from lightning_modules.core.lightning_internals import lerp_all_
from lightning_modules.core.module import AlternatingModule
from lightning_modules.data_contracts.contracts import HasAverage


class WeightEMA(EveryNSteps):
    r"""Keeps an average of a network's weights and evaluates with it.

    The network is the generator of a GAN, or extractor and classifier of a domain
    adaptation.

    After update t of the network the average s becomes

    .. math:: s_t = d_t s_{t-1} + (1 - d_t) w_t, \qquad s_0 = w_0,

    with d the decay; :math:`d_t = \min(d, (1 + t) / (10 + t))` with ``warmup``,
    so that a short run forgets its initial weights. Buffers are not averaged:
    the averaged network has the trained one's. Validation, test and predict
    run with the average, which the checkpoint holds beside the trained weights;
    training never sees it. Before the first update there is nothing to swap in.

    Args:
        decay: d in [0, 1); 0 keeps a copy of the trained weights.
        warmup: Whether the decay grows with the number of updates.

    Raises:
        ValueError: If the decay is outside [0, 1), or the average was stored for
            another network.

    References:
        arXiv:1806.04498 (why averaging helps GANs).
    """

    def __init__(self, decay: float = 0.999, warmup: bool = False) -> None:
        if not 0.0 <= decay < 1.0:
            raise ValueError(f"decay of WeightEMA must be in [0, 1), but is {decay}.")
        super().__init__(1)
        self.decay = decay
        self.warmup = warmup
        self.updates = 0
        self._shadow: dict[str, Tensor] = {}
        self._live: dict[str, Tensor] = {}
        self._evaluation = ExitStack()
        self._owner: ReferenceType[nn.Module] | None = None

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        _network(pl_module)

    @override
    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start from the network's weights, or go on from a checkpoint's average."""
        network = _network(pl_module)
        foreign = self._owner is not None and self._owner() is not network
        if foreign or not self.updates:
            self.updates, self._shadow = 0, _copies(network.named_parameters())
        self._check(network)
        self._owner = ref(network)
        for name, weight in network.named_parameters():
            self._shadow[name] = self._shadow[name].to(weight.device)

    @override
    def on_step(self, trainer: Trainer, pl_module: LightningModule, batch: Any) -> None:
        self.update(_network(pl_module))

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take the network's present weights into the average."""
        self.updates += 1
        decay = self.decay
        if self.warmup:
            decay = min(decay, (1 + self.updates) / (10 + self.updates))
        shadow = list(self._shadow.values())
        weights = [
            weight.detach().to(mean.dtype)
            for weight, mean in zip(network.parameters(), shadow, strict=True)
        ]
        lerp_all_(shadow, weights, 1.0 - decay)

    @contextmanager
    def averaged(self, pl_module: LightningModule) -> Iterator[nn.Module]:
        """Give the network its averaged weights; afterwards the trained ones exactly.

        Does nothing before the first update, nor inside another such block.
        """
        network = _network(pl_module)
        if self._live or not self.updates:
            yield network
            return
        self._check(network)
        self._live = _copies(_tensors(network).items(), keep_dtype=True)
        _fill(network, self._shadow)
        try:
            yield network
        finally:
            _fill(network, self._live)
            self._live = {}

    def _check(self, network: nn.Module) -> None:
        shapes = {name: tuple(w.shape) for name, w in network.named_parameters()}
        if shapes != {name: tuple(w.shape) for name, w in self._shadow.items()}:
            raise ValueError(
                "The averaged weights in the checkpoint are those of other layers than "
                "the model's: use the config that the checkpoint was trained with."
            )

    @override
    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._evaluation.enter_context(self.averaged(pl_module))

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._evaluation.close()

    on_test_start = on_predict_start = on_validation_start
    on_test_end = on_predict_end = on_validation_end

    @override
    def on_exception(self, *_: Any) -> None:
        """Put the trained weights back, whatever went wrong."""
        self._evaluation.close()

    @override
    def state_dict(self) -> dict[str, Any]:
        """The average and the number of updates; empty before the first one."""
        return {"updates": self.updates, "shadow": self._shadow} if self.updates else {}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint; Lightning calls this in every stage."""
        self.updates, self._shadow = state_dict["updates"], dict(state_dict["shadow"])
        self._owner = None

    @override
    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Store the trained weights even while the average is swapped in.

        Raises:
            NotFiniteError: If the average is not finite.
        """
        if isinstance(pl_module, AlternatingModule):
            pl_module.divergence.check((), {"average": self._shadow})
        if not self._live:
            return
        names = {id(x): name for name, x in _tensors(_network(pl_module)).items()}
        state = checkpoint["state_dict"]
        for key, tensor in _tensors(pl_module, remove_duplicate=False).items():
            if key in state and id(tensor) in names:
                state[key] = self._live[names[id(tensor)]]


@contextmanager
def averaged_weights(trainer: Trainer, pl_module: LightningModule) -> Iterator[None]:
    """Inside the block networks have their averaged weights, if the run has any."""
    with ExitStack() as stack:
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, WeightEMA):
                stack.enter_context(callback.averaged(pl_module))
        yield


@contextmanager
def averaged_network(
    trainer: Trainer, pl_module: LightningModule
) -> Iterator[nn.Module]:
    """The generator, or the extractor and classifier.

    Inside the block it has its averaged weights if the run has a `WeightEMA`, else the
    trained ones.
    """
    with averaged_weights(trainer, pl_module):
        yield _network(pl_module)


def load_averaged(
    pl_module: LightningModule, checkpoint: str | os.PathLike[str]
) -> None:
    """Replace a module's weights by the averages that a checkpoint holds.

    ``load_from_checkpoint`` gives the trained weights; call this afterwards for
    the ones that validation and images used.

    Raises:
        ValueError: If the checkpoint holds no average, or one of another network.
    """
    states = torch.load(checkpoint, map_location="cpu", weights_only=True)["callbacks"]
    if "WeightEMA" not in states:
        raise ValueError(f"'{checkpoint}' holds no averaged weights.")
    stored = WeightEMA()
    stored.load_state_dict(states["WeightEMA"])
    stored._check(_network(pl_module))
    _fill(_network(pl_module), stored._shadow)


def _network(module: LightningModule) -> nn.Module:
    """The network that is averaged."""
    if isinstance(module, HasAverage) and module.averaged is not None:
        return module.averaged
    raise ValueError(
        "WeightEMA averages the weights of a generator, or of a domain adaptation's "
        f"extractor and classifier, and {type(module).__name__} has neither: remove it "
        "from trainer.callbacks."
    )


def _tensors(module: nn.Module, *, remove_duplicate: bool = True) -> dict[str, Tensor]:
    weights = module.named_parameters(remove_duplicate=remove_duplicate)
    buffers = module.named_buffers(remove_duplicate=remove_duplicate)
    return {**dict(weights), **dict(buffers)}


@torch.no_grad()
def _copies(named: Any, *, keep_dtype: bool = False) -> dict[str, Tensor]:
    # In half precision a step of (1 - d) is lost to rounding: average in float32.
    narrow = () if keep_dtype else (torch.float16, torch.bfloat16)
    wide = dict.fromkeys(narrow, torch.float32)
    return {n: t.detach().to(wide.get(t.dtype, t.dtype), copy=True) for n, t in named}


@torch.no_grad()
def _fill(module: nn.Module, values: dict[str, Tensor]) -> None:
    targets = _tensors(module)
    for name, value in values.items():
        targets[name].copy_(value)
