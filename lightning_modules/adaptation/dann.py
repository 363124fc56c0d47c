"""DANN (Ganin et al. 2016, arXiv:1505.07818)."""

from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from lightning_modules.adaptation.base import AdaptationModule, Features
from lightning_modules.functional.adaptation import reverse_gradient
from lightning_modules.functional.adversarial import discriminator_loss


class DANN(AdaptationModule):
    r"""Domain-adversarial training with a gradient reversal layer.

    Discriminator, extractor and classifier update together, from one backward pass:
    the discriminator minimises the cross-entropy of the domain, and the gradient that
    reaches the extractor is reversed and multiplied by lambda.

    The domain loss is the mean over the rows of both domains. Eq. 9 of the JMLR version
    (17:59) adds the means of the two domains, which is twice as much: its lambda of 1
    is one of 2 here.

    Args:
        extractor: Maps samples (n, ...) to features (n, d).
        classifier: Maps features (n, d) to logits (n, n_classes).
        discriminator: Maps features (n, d) to logits (n,), positive for the source.
        n_classes: Number of classes.
        **options: Lambda (``transfer_weight``), its ramp (the paper's is ``sigmoid``)
            and the rest of `AdaptationModule`.
    """

    balances = False

    def __init__(
        self,
        extractor: nn.Module,
        classifier: nn.Module,
        discriminator: nn.Module,
        n_classes: int,
        **options: Any,
    ) -> None:
        super().__init__(extractor, classifier, n_classes, **options)
        self.adapted["discriminator"] = discriminator
        self.save_hyperparameters()

    @property
    @override
    def discriminators(self) -> dict[str, nn.Module]:
        return {"discriminator": self.adapted["discriminator"]}

    @override
    def objective(self, batch: Features) -> Tensor:
        """Cross-entropy of the classes plus that of the domains."""
        rows = torch.cat([batch.source, batch.target])
        reversed_rows = reverse_gradient(rows, self.current_transfer_weight())
        logits = self.adapted["discriminator"](reversed_rows)
        n = len(batch.source)
        # mean over 2 n rows: log 2 when the domains can't be told apart
        domain = discriminator_loss(logits[:n], logits[n:]) / 2
        self.record(domain_loss=domain)
        return super().objective(batch) + domain

    @override
    def transfer_loss(self, features: Features) -> Tensor | None:
        """None: lambda is the weight of the gradient reversal."""
        return None
