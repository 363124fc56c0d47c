"""CDAN (Long, Cao, Wang, Jordan 2018, arXiv:1705.10667)."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from typing_extensions import override

from lightning_modules.adaptation.base import AdaptationModule, Features
from lightning_modules.core.distributed import rows_of_all_ranks
from lightning_modules.functional.adaptation import (
    certainty,
    joined_with_classes,
    reverse_gradient,
)


class CDAN(AdaptationModule):
    """DANN whose discriminator sees features together with the predicted classes.

    It scores the products of every feature with every class's probability, so that
    domains are aligned class by class. Probabilities get no gradient from it, as in the
    authors' code.

    Args:
        extractor: Maps samples (n, ...) to features (n, d).
        classifier: Maps features (n, d) to logits (n, k).
        discriminator: Maps products (n, d k) to logits (n,), positive for the source.
        n_classes: Number of classes, k.
        entropy: Let rows that are sure of their class count more (the paper's CDAN+E).
        **options: Lambda (``transfer_weight``), its ramp (the paper's is ``sigmoid``)
            and the rest of `AdaptationModule`.
    """

    balances = False
    follows: ClassVar[Mapping[str, str]] = {
        key: source
        for key, source in AdaptationModule.follows.items()
        if not key.startswith("discriminator.")  # whose width is a product
    }

    def __init__(
        self,
        extractor: nn.Module,
        classifier: nn.Module,
        discriminator: nn.Module,
        n_classes: int,
        entropy: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(extractor, classifier, n_classes, **options)
        self.adapted["discriminator"] = discriminator
        self.entropy = entropy
        self.save_hyperparameters()

    @property
    @override
    def discriminators(self) -> dict[str, Callable[[Tensor], Tensor]]:
        return {"discriminator": lambda rows: self._scores(rows, self.classifier(rows))}

    def _scores(self, rows: Tensor, logits: Tensor) -> Tensor:
        joined = joined_with_classes(rows, logits.softmax(1))
        scores: Tensor = self.adapted["discriminator"](joined)
        return scores

    @override
    def objective(self, batch: Features) -> Tensor:
        """Cross-entropy of the classes plus that of the domains."""
        rows = torch.cat([batch.source, batch.target])
        with torch.no_grad():
            logits = self.classifier(rows)
        reversed_rows = reverse_gradient(rows, self.current_transfer_weight())
        source, target = self._scores(reversed_rows, logits).chunk(2)
        losses = softplus(torch.cat([-source, target]))
        if self.entropy:
            losses = losses * torch.cat(list(map(self._weights_by, logits.chunk(2))))
        domain = losses.mean()
        self.record(domain_loss=domain)
        return super().objective(batch) + domain

    def _weights_by(self, logits: Tensor) -> Tensor:
        """Weights (n,) of a domain's rows, 1 on average over all processes."""
        weights = certainty(logits.softmax(1))
        return weights / rows_of_all_ranks(weights.mean()[None]).mean()

    @override
    def transfer_loss(self, features: Features) -> Tensor | None:
        """None: lambda is the weight of the gradient reversal."""
        return None
