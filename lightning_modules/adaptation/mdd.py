"""MDD (Zhang, Liu, Long, Jordan 2019, arXiv:1904.05801)."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from lightning_modules.adaptation.base import AdaptationModule, Features
from lightning_modules.core.validation import check_positive
from lightning_modules.functional.adaptation import margin_disparity, reverse_gradient


class MDD(AdaptationModule):
    """Margin disparity discrepancy: an adversary contradicts the classifier.

    A second classifier agrees with the first on the source and contradicts it on the
    target as far as the features allow; the reversed gradient makes features on which
    it can't. All update together, from one backward pass. In the paper both classifiers
    have a hidden layer on normalised features, as `MLPClassifier` has; a linear
    adversary can't keep up on images, and the extractor unlearns the classes.

    Args:
        extractor: Maps samples (n, ...) to features (n, d).
        classifier: Maps features (n, d) to logits (n, n_classes).
        adversary: The second classifier, alike.
        n_classes: Number of classes.
        margin: Gamma, the weight of agreement on the source; the paper has 2 to 4.
        **options: Lambda (``transfer_weight``), its ramp (the paper's is ``sigmoid``)
            and the rest of `AdaptationModule`.

    Raises:
        ValueError: If the margin is not positive, or a setting is out of its range.
    """

    balances = False
    follows: ClassVar[Mapping[str, str]] = {
        **AdaptationModule.follows,
        "adversary.n_features": "extractor.num_features",
        "adversary.n_classes": "data.num_classes",
    }

    def __init__(
        self,
        extractor: nn.Module,
        classifier: nn.Module,
        adversary: nn.Module,
        n_classes: int,
        margin: float = 4.0,
        **options: Any,
    ) -> None:
        super().__init__(extractor, classifier, n_classes, **options)
        check_positive(margin=margin)
        self.adapted["adversary"], self.margin = adversary, margin
        self.save_hyperparameters()

    @property
    @override
    def discriminators(self) -> dict[str, Callable[[Tensor], Tensor]]:
        return {"adversary": self._score_of_last_class}

    def _score_of_last_class(self, rows: Tensor) -> Tensor:
        """One number for each row, if the adversary has a logit for each class."""
        last = rows.new_full((len(rows), 1), self.n_classes - 1, dtype=torch.int64)
        scores: Tensor = self.adapted["adversary"](rows).gather(1, last)
        return scores.squeeze(1)

    @override
    def objective(self, batch: Features) -> Tensor:
        """Cross-entropy of the classes plus the adversary's loss."""
        rows = torch.cat([batch.source, batch.target])
        with torch.no_grad():
            classes = self.classifier(rows).argmax(1)
        reversed_rows = reverse_gradient(rows, self.current_transfer_weight())
        logits = self.adapted["adversary"](reversed_rows)
        n = len(batch.source)
        disparity = margin_disparity(
            logits[:n], classes[:n], logits[n:], classes[n:], margin=self.margin
        )
        self.record(disparity=disparity)
        return super().objective(batch) + disparity

    @override
    def transfer_loss(self, features: Features) -> Tensor | None:
        """None: lambda is the weight of the gradient reversal."""
        return None
