"""Base of the evaluation of methods, which is an attribute of the module."""

from collections.abc import Collection, Mapping
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from lightning_modules.core.distributed import on_any_rank
from lightning_modules.core.validation import NotFiniteError

Values = Mapping[str, Tensor | float]
Module = TypeVar("Module")


class Evaluator(Generic[Module]):
    """Validation and test of a method, stage ``val`` or ``test``, and prediction.

    Its metrics are not registered in the module, so that checkpoints and summaries
    contain the networks alone; `start` moves them to the module's device.

    Attributes:
        module: The method, which sets it.
    """

    module: Module
    _finite: Tensor | None = None

    def watch(self, outputs: Tensor) -> None:
        """Note whether outputs hold NaN or plus infinity; nothing waits for it.

        Minus infinity is what a class or an item has that is left out.
        """
        finite = (outputs.detach() < torch.inf).all()
        self._finite = finite if self._finite is None else self._finite & finite

    def refuse_outputs(self) -> None:
        """Refuse what was watched since the last time; call it on all ranks.

        Raises:
            NotFiniteError: If NaN or infinity was among it.
        """
        finite, self._finite = self._finite, None
        if finite is not None and on_any_rank(not finite, finite.device):
            raise NotFiniteError(
                "What the model computes holds NaN or infinity, so it can't be "
                "evaluated: use a checkpoint from before training diverged."
            )

    def setup(self) -> None:
        """Prepare for the data of a run, before a checkpoint is loaded."""

    def check_data(self, data: Any) -> None:
        """Refuse a data module that can't be evaluated (ValueError)."""

    def on_fit_start(self, *, fresh: bool) -> None:
        """Start a fit; ``fresh`` unless it resumes a checkpoint."""

    def check_checkpoint(self) -> None:
        """Refuse data other than that which a loaded checkpoint was trained on."""

    def start(self, stage: str) -> None:
        """Reset the metrics."""

    def update(self, stage: str, batch: Any, loader: int) -> Any:
        """Add a batch of a loader; the return value is passed to the callbacks."""
        raise NotImplementedError

    def compute(self, stage: str) -> Values:
        """Metrics, equal on all ranks; names without the stage."""
        raise NotImplementedError

    def metric_names(self) -> Collection[str]:
        """All names that `compute` may give at a validation."""
        return ()

    def advice(self, monitor: str) -> str:
        """How a monitor can be measured that is not, as ``"add ..., or "``."""
        del monitor
        return ""

    def predict(self, batch: Any) -> Any:
        """Predictions of a batch."""
        raise NotImplementedError

    def save(self, checkpoint: dict[str, Any]) -> None:
        """Add the state to a checkpoint."""

    def load(self, checkpoint: dict[str, Any]) -> None:
        """Load the state from a checkpoint."""
