"""MCC (Jin, Wang, Long, Wang 2020, arXiv:1912.03699)."""

from typing import Any

from torch import Tensor, nn
from typing_extensions import override

from lightning_modules.adaptation.base import AdaptationModule, Features
from lightning_modules.core.validation import check_positive
from lightning_modules.functional.adaptation import class_confusion


class MCC(AdaptationModule):
    """Minimum class confusion: predictions on the target that keep classes apart.

    Nothing is aligned between the domains, so classes may be as frequent as they like.

    Args:
        extractor: Maps samples (n, ...) to features (n, d).
        classifier: Maps features (n, d) to logits (n, n_classes).
        n_classes: Number of classes.
        temperature: T, see `class_confusion`; 2.5 in the paper.
        **options: Lambda (``transfer_weight``) and the rest of `AdaptationModule`.

    Raises:
        ValueError: If the temperature is not positive, or a setting is out of its
            range.
    """

    def __init__(
        self,
        extractor: nn.Module,
        classifier: nn.Module,
        n_classes: int,
        temperature: float = 2.5,
        **options: Any,
    ) -> None:
        super().__init__(extractor, classifier, n_classes, **options)
        check_positive(temperature=temperature)
        self.temperature = temperature
        self.save_hyperparameters()

    @override
    def transfer_loss(self, features: Features) -> Tensor:
        """Class confusion of the target rows of all processes."""
        target = self.of_all_ranks(features).target
        loss = class_confusion(self.classifier(target), self.temperature)
        self.record(class_confusion=loss)
        return loss
