"""Check of the training strategy, and updates with or without it."""

from collections.abc import Sequence
from typing import Any, cast

import lightning.pytorch as pl
import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.plugins import Precision
from lightning.pytorch.profilers import PassThroughProfiler
from lightning.pytorch.strategies import (
    DDPStrategy,
    SingleDeviceStrategy,
    Strategy,
)
from torch import Tensor

from lightning_modules.core.lightning_internals import ddp_options

_REFUSED = {
    "FSDPStrategy": "FSDP supports no manual optimisation with two optimizers",
    "ModelParallelStrategy": "FSDP2 gives a wrong gradient penalty without a warning",
    "DeepSpeedStrategy": "DeepSpeed supports a single optimizer",
}
_HOOKS = ("on_before_backward", "on_after_backward", "on_before_optimizer_step")


def prepare_strategy(strategy: Strategy) -> None:
    """Configure DDP for alternating optimisation, and refuse unsupported strategies.

    Each backward pass of a critic or of a generator leaves the other without gradients,
    which DDP accepts only with ``find_unused_parameters=True``.

    Raises:
        ValueError: For FSDP, FSDP2 and DeepSpeed, and for DDP with
            ``find_unused_parameters=False`` or ``static_graph=True``.
    """
    for cls in type(strategy).__mro__:
        if reason := _REFUSED.get(cls.__name__):
            raise ValueError(
                f"trainer.strategy '{cls.__name__}' does not support alternating "
                f"optimisation ({reason}): use trainer.strategy 'ddp'."
            )
    if isinstance(strategy, DDPStrategy):
        options = ddp_options(strategy)
        if not options.setdefault("find_unused_parameters", True):
            raise ValueError(
                "trainer.strategy with find_unused_parameters false does not support "
                "alternating optimisation, where some weights get no gradients: use "
                "trainer.strategy 'ddp'."
            )
        if options.get("static_graph"):
            raise ValueError(
                "trainer.strategy with static_graph true does not support alternating "
                "optimisation, whose graph changes: use trainer.strategy 'ddp'."
            )


class Descent:
    """Backward passes and steps of a module's optimizers.

    Lightning calls hooks of the module and of each callback around each of them, a
    tenth of the time of a small critic's update. Where nobody has such a hook, and
    neither strategy nor precision plugin do more than to call it, torch is called.

    Args:
        module: The method.
        base: Class whose hooks do nothing that `step` leaves out.
    """

    def __init__(self, module: pl.LightningModule, base: type) -> None:
        self.module, self.base = module, base
        self._is_plain = False

    def begin(self) -> None:
        """Begin a batch: look for what an update has to call."""
        module, trainer = self.module, cast(Any, self.module.trainer)
        plain = (
            (trainer.strategy, SingleDeviceStrategy),
            (trainer.precision_plugin, Precision),
            (trainer.profiler, PassThroughProfiler),
        )
        names = (*_HOOKS, "backward", "manual_backward")
        self._is_plain = (
            all(type(part) is cls for part, cls in plain)
            and _keeps(module, self.base, names)
            and all(_keeps(one, pl.Callback, _HOOKS) for one in trainer.callbacks)
        )

    def backward(self, loss: Tensor) -> None:
        """Gradients of a loss."""
        if self._is_plain:
            torch.autograd.backward(loss)
        else:
            self.module.manual_backward(loss)

    def step(self, optimizer: LightningOptimizer, *, counts: bool) -> None:
        """Step an optimizer; ``trainer.global_step`` counts it if it ``counts``."""
        if counts:  # Lightning's own step counts, the strategy's does not
            optimizer.step()
        elif self._is_plain:
            self.module.on_before_optimizer_step(optimizer.optimizer)
            optimizer.optimizer.step()
        else:
            strategy = self.module.trainer.strategy
            strategy.optimizer_step(optimizer.optimizer, lambda: None)


def _keeps(of: object, base: type, names: Sequence[str]) -> bool:
    """Whether methods of an object are those of its base class."""
    return all(
        name not in vars(of) and _where(type(of), name) is _where(base, name)
        for name in names
    )


def _where(cls: type, name: str) -> type:
    """The class that a method comes from."""
    return next(parent for parent in cls.__mro__ if name in vars(parent))
