"""DeepJDOT (Damodaran et al. 2018, arXiv:1803.10081)."""

from typing import Any

from torch import Tensor, nn
from typing_extensions import override

from lightning_modules.adaptation.base import AdaptationModule, Features
from lightning_modules.core.validation import check_nonnegative
from lightning_modules.functional.adaptation import joint_transport_cost


class DeepJDOT(AdaptationModule):
    """Joint transport of features and labels between the two batches.

    The plan is computed on the CPU, so each step synchronises with the device.

    Args:
        extractor: Maps samples (n, ...) to features (n, d).
        classifier: Maps features (n, d) to logits (n, n_classes).
        n_classes: Number of classes.
        feature_weight: Alpha, the weight of squared distances of features.
        label_weight: The weight of the cross-entropy of transported labels.
        **options: ``transfer_weight`` multiplies both; see `AdaptationModule`.

    Raises:
        ValueError: If a setting is out of its range.
    """

    weighs_rows = True

    def __init__(
        self,
        extractor: nn.Module,
        classifier: nn.Module,
        n_classes: int,
        feature_weight: float = 0.001,
        label_weight: float = 0.0001,
        **options: Any,
    ) -> None:
        super().__init__(extractor, classifier, n_classes, **options)
        check_nonnegative(feature_weight=feature_weight, label_weight=label_weight)
        self.feature_weight, self.label_weight = feature_weight, label_weight
        self.save_hyperparameters()

    @override
    def transfer_loss(self, features: Features) -> Tensor:
        """Cost of the optimal plan between the two batches."""
        joint = self.of_all_ranks(features)
        loss = joint_transport_cost(
            joint.source,
            joint.labels,
            joint.target,
            self.classifier(joint.target),
            feature_weight=self.feature_weight,
            label_weight=self.label_weight,
            source_weights=joint.weights,
        )
        self.record(transport_cost=loss)
        return loss
