"""How a classifier of two domains is evaluated."""

from collections.abc import Mapping
from typing import Any, ClassVar, cast, get_args

from torch import Tensor, nn

from lightning_modules.adaptation.scores import DomainScores, Selection
from lightning_modules.core.alternating import CriticModule
from lightning_modules.core.validation import check_choice
from lightning_modules.data_contracts.sparse_rows import Rows

SOURCE, TARGET, UNLABELLED = range(3)
"""Numbers of the validation loaders."""


class EvaluatedOnDomains(CriticModule):
    """Logits of features, measured on source and target rows.

    Every validation logs the accuracy on the target (which needs its labels), scores
    that don't need them, and three summaries of the run so far: the accuracy now
    (``last``), that of the validation which the score ``selection`` prefers
    (``selected``), and the best one, which only somebody with labels could have picked
    (``oracle``). A test adds the distances between the domains' features. The last
    validation is the last step's where ``trainer.val_check_interval`` divides
    ``trainer.max_steps``.

    Args:
        n_classes: Number of classes.
        selection: Score that picks a validation without target labels.
        **options: See `CriticModule`.

    Raises:
        ValueError: If an argument is out of its range.
    """

    monitor: ClassVar[str] = "val/target_im"
    mode: ClassVar[str] = "max"

    def __init__(self, n_classes: int, selection: Selection, **options: Any) -> None:
        super().__init__(**options)
        if n_classes < 2:
            raise ValueError(f"n_classes must be at least 2, got {n_classes}.")
        check_choice("selection", selection, get_args(Selection))
        self.n_classes = n_classes
        self.scores = DomainScores(n_classes, selection)
        self._class_names: tuple[str, ...] = ()

    @property
    def extractor(self) -> nn.Module:
        """Maps samples to features."""
        raise NotImplementedError

    @property
    def classifier(self) -> nn.Module:
        """Maps features to logits."""
        raise NotImplementedError

    def features(self, x: Rows) -> Tensor:
        """Features (n, d) of samples (n, ...)."""
        return cast(Tensor, self.extractor(x))

    def forward(self, x: Rows) -> Tensor:
        """Logits (n, n_classes) of samples (n, ...)."""
        return cast(Tensor, self.classifier(self.features(x)))

    def on_fit_start(self) -> None:
        """Forget the best of an earlier run, unless it goes on."""
        super().on_fit_start()
        if self.starts_anew:
            self.scores.summary = {}
            self._class_names = ()
        self._check_names()

    def on_validation_start(self) -> None:
        """Refuse data of other classes than were learnt."""
        self._check_names()

    on_test_start = on_predict_start = on_validation_start

    def _check_names(self) -> None:
        names = self._names_of_data()
        if self._class_names and names and names != self._class_names:
            raise ValueError(
                f"The checkpoint was trained on the classes "
                f"{', '.join(self._class_names)}, but data.source has "
                f"{', '.join(names)}: use a source with the same classes."
            )

    def _names_of_data(self) -> tuple[str, ...]:
        data = getattr(self.trainer, "datamodule", None)
        return tuple(getattr(data, "class_names", ()))

    def on_validation_epoch_start(self) -> None:
        """Forget what an earlier evaluation left, however it ended."""
        self.scores.reset()

    def on_test_epoch_start(self) -> None:
        """Like `on_validation_epoch_start`."""
        self.scores.reset()

    def validation_step(
        self,
        batch: Any,
        batch_idx: int,  # noqa: ARG002
        dataloader_idx: int = 0,
    ) -> Tensor:
        """Count hits and collect scores; returns the logits."""
        logits: Tensor = self(batch[0])
        labels = None if dataloader_idx == UNLABELLED else batch[1]
        self.scores.update(dataloader_idx, logits, labels)
        return logits

    def test_step(
        self,
        batch: Any,
        batch_idx: int,  # noqa: ARG002
        dataloader_idx: int = 0,
    ) -> Tensor:
        """Like `validation_step`, with the distance between the domains' features."""
        features = self.features(batch[0])
        logits = cast(Tensor, self.classifier(features))
        labels = None if dataloader_idx == UNLABELLED else batch[1]
        self.scores.update(dataloader_idx, logits, labels)
        self.scores.update_distances(dataloader_idx, features)
        return logits

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:  # noqa: ARG002
        """Probabilities (n, n_classes) of rows ``(numbers, x)``."""
        probabilities: Tensor = self(batch[1]).softmax(1)
        return probabilities

    def on_validation_epoch_end(self) -> None:
        """Log accuracies and scores, and the summaries of the run so far."""
        found = self.scores.compute()
        if self.trainer.state.fn == "fit" and not self.trainer.sanity_checking:
            found |= self.scores.remember(found)
        self._report("val", found)

    def on_test_epoch_end(self) -> None:
        """Log accuracies, scores and distances."""
        self._report("test", self.scores.compute() | self.scores.distances())

    def _report(self, stage: str, found: Mapping[str, Tensor | float]) -> None:
        self.log_evaluation({f"{stage}/{key}": value for key, value in found.items()})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the summaries, and what the classes are called."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["selection"] = dict(self.scores.summary)
        checkpoint["class_names"] = list(self._names_of_data())

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the summaries."""
        super().on_load_checkpoint(checkpoint)
        self.scores.summary = dict(checkpoint.get("selection", {}))
        self._class_names = tuple(checkpoint.get("class_names", ()))
