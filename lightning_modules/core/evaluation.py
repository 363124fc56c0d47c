"""How a method is evaluated: a part that a module holds, not an ancestor."""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from torch import Tensor

Values = Mapping[str, Tensor | float]
Module = TypeVar("Module")


class Evaluator(Generic[Module]):
    """Validation and test of a method, stage ``val`` or ``test``, and prediction.

    Metrics that it keeps are no part of the module, so that checkpoints and summaries
    hold the networks alone; `start` moves them to the module's device.

    Attributes:
        module: The method, set by it.
    """

    module: Module

    def setup(self) -> None:
        """Meet the data of a run, before a checkpoint is loaded."""

    def check_data(self, data: Any) -> None:
        """Refuse a data module that can't be evaluated (ValueError)."""

    def on_fit_start(self, *, fresh: bool) -> None:
        """Begin a training; ``fresh`` unless it goes on from a checkpoint."""

    def check_checkpoint(self) -> None:
        """Refuse data that is not what a loaded checkpoint was trained on."""

    def start(self, stage: str) -> None:
        """Forget what an earlier evaluation left."""

    def update(self, stage: str, batch: Any, loader: int) -> Any:
        """Take in a batch of a loader; what it returns goes to the callbacks."""
        raise NotImplementedError

    def compute(self, stage: str) -> Values:
        """The metrics, on all ranks alike; names without the stage."""
        raise NotImplementedError

    def predict(self, batch: Any) -> Any:
        """What prediction gives for a batch."""
        raise NotImplementedError

    def save(self, checkpoint: dict[str, Any]) -> None:
        """Put what has to outlast the run into a checkpoint."""

    def load(self, checkpoint: dict[str, Any]) -> None:
        """Take it back."""
