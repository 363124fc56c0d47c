"""Source-only baseline: no adaptation."""

from typing import Any

from torch import Tensor, nn
from typing_extensions import override

from lightning_modules.adaptation.base import AdaptationModule, Features


class SourceOnly(AdaptationModule):
    """Source-only baseline: a classifier of the source, applied to the target.

    Args:
        extractor: Maps samples (n, ...) to features (n, d).
        classifier: Maps features (n, d) to logits (n, n_classes).
        n_classes: Number of classes.
        **options: See `AdaptationModule`; ``transfer_weight``, ``transfer_share``,
            ``ramp`` and ``label_shift`` have no effect.
    """

    uses_target = False

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
    def transfer_loss(self, features: Features) -> Tensor | None:
        """None: there is no transfer term."""
        return None
