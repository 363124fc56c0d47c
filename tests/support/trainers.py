"""A trainer that writes, prints and saves nothing, and what tests add to one."""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from typing_extensions import override

QUIET_TRAINER: dict[str, Any] = {
    "accelerator": "cpu",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}

# Likewise, but for tests of what is logged or written.
LOGGING_TRAINER: dict[str, Any] = {
    "accelerator": "cpu",
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "log_every_n_steps": 1,
    "limit_val_batches": 0,
}


class Loader(list[Tensor]):
    """Batches that Lightning takes for one loader, where a plain list is several."""


class MetricsFile(Callback):
    """Saves some metrics of a test, since forked processes take theirs with them."""

    def __init__(self, path: Path, *names: str) -> None:
        self.path, self.names = path, names

    @override
    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.is_global_zero:
            values = {n: float(trainer.callback_metrics[n]) for n in self.names}
            torch.save(values, self.path)


def same(a: Any, b: Any) -> bool:
    """Whether two states agree in every bit, type and key."""
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)
