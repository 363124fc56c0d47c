"""Values of a training step: what is logged, and whether they are finite."""

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from lightning_modules.core.distributed import OnTheWay, is_distributed, on_any_rank
from lightning_modules.core.evaluation import Values
from lightning_modules.core.lightning_internals import is_fitting
from lightning_modules.core.optimisation import Learner
from lightning_modules.core.public_names import accepted_names
from lightning_modules.core.validation import NotFiniteError, is_finite, not_finite

NamedTensors = Iterable[tuple[str, Tensor]]


class Records:
    """Values of the running step, kept on their device until it ends.

    Args:
        module: The method, whose ``global_step`` is the axis.

    Attributes:
        active: Whether the values of the running step will be logged.
        every: Counted steps between two that are logged.
        last: The last step of the training, which is logged too.
    """

    def __init__(self, module: pl.LightningModule) -> None:
        self.module, self.active, self.every, self.last = module, False, 0, -1
        self._values: dict[str, Tensor] = {}

    def start(self, *, due: bool) -> None:
        """Begin a batch; ``due`` if it ends a counted step. The last one is logged."""
        step = self.module.global_step + 1
        is_logged = step == self.last or step % max(self.every, 1) == 0
        self.active = due and self.every > 0 and is_logged

    def add(self, **values: Tensor) -> None:
        """Keep ``train/<name>``, if the step is one that is logged."""
        if self.active:
            self._values.update({f"train/{k}": v.detach() for k, v in values.items()})

    def end(self) -> None:
        """Send what was kept to the progress bar, and to all loggers at once."""
        if self._values:
            self.module.log_dict(self._values, prog_bar=True, logger=False)
            self.publish(self._values)
            self._values = {}
        self.active = False

    def publish(self, values: Values) -> None:
        """Send values to all loggers, on the axis of counted steps."""
        numbers = {key: float(value) for key, value in values.items()}
        step = self.module.global_step
        loggers: list[Any] = self.module.loggers
        for logger in loggers:
            logger.log_metrics(numbers, step=step)


class Divergence:
    """Watch over losses and weights, for NaN and infinity.

    One process on a CPU looks at each loss before it is descended: the run stops at the
    step at which the value appears, with the weights of the step before. On an
    accelerator, and in several processes, no step waits: the losses of a batch are
    copied to the host meanwhile, summed over all processes, and looked at when the next
    batch ends, or before anything is evaluated or saved. The run then stops one batch
    late, in all processes together.

    Weights are looked at before an evaluation, at the end of an epoch and in what is
    about to be a checkpoint, since losses do not show all of them: not those of the
    last update, nor rows of a table that no batch has used.

    Args:
        module: The method.

    With the losses of several processes goes whether one of them is to end.

    Attributes:
        step: The counted step that is being made.
        wants_end: Whether this process, one of several, is to end the run.
        all_end: Whether one of them wants it; all see it at the same batch's end.
    """

    def __init__(self, module: Any) -> None:
        self.module, self.step = module, 0
        self.reset()

    def reset(self) -> None:
        """Forget the losses of an earlier fit."""
        self._losses: dict[str, Tensor] = {}
        self._sent: tuple[int, list[str], OnTheWay] | None = None
        self.wants_end = self.all_end = False

    def loss_of(self, learner: Learner, batch: Any) -> Tensor:
        """A learner's loss, looked at, or kept until the batch ends.

        Raises:
            NotFiniteError: Naming the loss, the step and what to try.
        """
        try:
            loss = learner.objective(batch)
        except NotFiniteError:  # functions such as a solver's refuse their arguments
            self._refuse(learner.name, math.nan, self.step)
            raise
        self._look_at(learner.name, loss)
        return loss

    def _look_at(self, name: str, loss: Tensor) -> None:
        if not loss.is_cpu or is_distributed():
            before = self._losses.get(name, 0.0)
            self._losses[name] = loss.detach() + before
        elif not math.isfinite(value := loss.item()):
            self._refuse(name, value, self.step)

    def end(self) -> None:
        """End a batch: look at the losses of the one before, send those of this one."""
        self.settle()
        if self._losses:
            losses = [*self._losses.values()]
            wish = losses[0].new_full((), float(self.wants_end))
            self._sent = self.step, [*self._losses], OnTheWay([*losses, wish])
            self._losses = {}

    def settle(self) -> None:
        """Look at the losses that were sent; call it on all ranks."""
        if self._sent is None:
            return
        (step, names, sums), self._sent = self._sent, None
        *values, wishes = sums.arrived()
        self.all_end |= wishes > 0
        for name, value in zip(names, values, strict=True):
            if not math.isfinite(value):
                self._refuse(name, value, step)

    def _refuse(self, name: str, value: float, step: int) -> None:
        what = "NaN" if math.isnan(value) else "infinite"
        raise NotFiniteError(
            f"The loss of '{name}' is {what} at step {step}: {remedy(self.module)}."
        )

    def check(self, tensors: NamedTensors, state: Any = ()) -> None:
        """Refuse weights that are not finite; call it on all ranks.

        Args:
            tensors: Weights and buffers by name. Buffers may hold infinity: masks do.
            state: What optimizers or averages remember, in dicts and lists.

        Raises:
            NotFiniteError: Naming one that is not finite, and what to try.
        """
        self.settle()
        bad = not_finite(tensors, dict(self.module.named_parameters()))
        bad += [name for name, x in tensors_in(state) if not is_finite(x)]
        if on_any_rank(bool(bad), self.module.device):
            name = bad[0] if bad else "A weight of another process"
            raise NotFiniteError(
                f"{name} holds NaN or infinity after step {self.module.steps_made}: "
                f"{remedy(self.module)}."
            )


def tensors_in(node: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """Tensors within dicts and lists, by their keys, joined by dots.

    >>> [name for name, _ in tensors_in({"a": [{"sum": torch.zeros(1)}]})]
    ['a.0.sum']
    """
    if isinstance(node, Tensor):
        yield name, node
    parts: Iterable[tuple[Any, Any]] = ()
    if isinstance(node, Mapping):
        parts = node.items()
    if isinstance(node, list | tuple):
        parts = enumerate(node)
    for key, value in parts:
        yield from tensors_in(value, f"{name}.{key}" if name else str(key))


def remedy(module: Any) -> str:
    """What to try after a divergence, and from where a run can go on."""
    if not is_fitting(module.trainer):
        return "use a checkpoint from before training diverged"
    names = accepted_names(type(module))
    keys = [spec.key for spec in module.optimizer_specs()]
    tries = [
        f"a smaller {rate}" for rate in _all(f"model.{k}optimizer.lr" for k in keys)
    ]
    clips = [f"{key}clip_norm" for key in keys if f"{key}clip_norm" in names]
    tries += [f"{clip} set" for clip in _all(f"model.{clip}" for clip in clips)]
    if "16" in str(module.trainer.precision):
        tries.append("trainer.precision 32-true")
    fixes = f"start again with {' or '.join(tries)}" if tries else "check the data"
    return f"{fixes}; {last_good(module.trainer)}"


def _all(names: Iterable[str]) -> list[str]:
    """The names as one, if there are any."""
    return [" and ".join(found)] if (found := [*names]) else []


def last_good(trainer: pl.Trainer) -> str:
    """The newest checkpoint of a run whose weights are finite, in words."""
    paths = set[Path]()
    for callback in trainer.checkpoint_callbacks:
        known = vars(callback)
        names = known.get("last_model_path"), known.get("best_model_path")
        paths |= {Path(name) for name in names if name and Path(name).is_file()}
    for path in sorted(paths, key=lambda path: -path.stat().st_mtime):
        saved = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        if all(is_finite(x, infinity=True) for _, x in tensors_in(saved["state_dict"])):
            return (
                f"the last good checkpoint is '{path}', of step {saved['global_step']}"
            )
    return "there is no checkpoint from before"
