"""Adaptation by the maximum mean discrepancy (Tzeng et al. 2014, Long et al. 2015)."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from typing_extensions import override

from lightning_modules.adaptation.base import AdaptationModule, Features
from lightning_modules.functional.adaptation import (
    RBF_WIDTHS,
    check_widths,
    squared_mmd,
)


class MMD(AdaptationModule):
    """Features with a small maximum mean discrepancy under Gaussian kernels.

    Args:
        extractor: Maps samples (n, ...) to features (n, d).
        classifier: Maps features (n, d) to logits (n, n_classes).
        n_classes: Number of classes.
        widths: Widths of the kernels, in units of squared features, see `squared_mmd`.
        unbiased: Leave out the pairs of a row with itself.
        **options: Lambda (``transfer_weight``) and the rest of `AdaptationModule`.

    Raises:
        ValueError: If a width is not positive, or a setting is out of its range.

    References:
        arXiv:1412.3474, arXiv:1502.02791.
    """

    weighs_rows = True

    def __init__(
        self,
        extractor: nn.Module,
        classifier: nn.Module,
        n_classes: int,
        widths: Sequence[float] = RBF_WIDTHS,
        unbiased: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(extractor, classifier, n_classes, **options)
        check_widths(widths)
        self.widths, self.unbiased = tuple(widths), unbiased
        self.min_batch_size = 2 if unbiased else 1
        self.save_hyperparameters()

    @override
    def transfer_loss(self, features: Features) -> Tensor:
        """Squared discrepancy of the two batches."""
        joint = self.of_all_ranks(features)
        loss = squared_mmd(
            joint.source,
            joint.target,
            self.widths,
            unbiased=self.unbiased,
            source_weights=joint.weights,
        )
        self.record(mmd=loss)
        return loss
