"""Deep CORAL (Sun and Saenko 2016, arXiv:1607.01719)."""

from typing import Any

from torch import Tensor, nn
from typing_extensions import override

from lightning_modules.adaptation.base import AdaptationModule, Features
from lightning_modules.functional.adaptation import coral_distance


class CORAL(AdaptationModule):
    """Deep CORAL: features with the same covariance in both domains.

    The distance is divided by 4 d^2, so with wide features ``transfer_weight`` must be
    large: the paper sets it so that both losses are about equal at the end.

    Args:
        extractor: Maps samples (n, ...) to features (n, d).
        classifier: Maps features (n, d) to logits (n, n_classes).
        n_classes: Number of classes.
        **options: Lambda (``transfer_weight``) and the rest of `AdaptationModule`.
    """

    min_batch_size = 2  # a covariance

    def __init__(
        self,
        extractor: nn.Module,
        classifier: nn.Module,
        n_classes: int,
        **options: Any,
    ) -> None:
        super().__init__(extractor, classifier, n_classes, **options)
        self.save_hyperparameters()

    @override
    def transfer_loss(self, features: Features) -> Tensor:
        """CORAL distance of the two batches."""
        joint = self.of_all_ranks(features)
        loss = coral_distance(joint.source, joint.target)
        self.record(coral=loss)
        return loss
