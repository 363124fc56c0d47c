"""Rejected variants of CML, kept for the ablation, and of WDGRL."""

from typing import Any

from torch import Tensor
from torch.nn.functional import cross_entropy, dropout

from lightning_modules import WDGRL, SmoothCML
from lightning_modules.adaptation.base import Features
from lightning_modules.functional.shared_hinge import shared_smooth_hinge
from lightning_modules.recommendation.metric import Compared
from lightning_modules.recommendation.pairwise import PairBatch


class DroppedCML(SmoothCML):
    """Dropout on the coordinates of users and of positive items in training.

    Args:
        rate: Share of the coordinates that are set to 0.
        **options: See `SmoothCML`.
    """

    def __init__(self, rate: float, **options: Any) -> None:
        super().__init__(**options)
        self.rate = rate

    def metric_loss(self, pairs: PairBatch, points: Compared, weight: Tensor) -> Tensor:
        """The smooth hinge between the coordinates that remain."""
        users = dropout(points.users, self.rate)
        positive = dropout(points.positive, self.rate)
        remaining = Compared(users, pairs.each(users), positive, points.negative)
        return super().metric_loss(pairs, remaining, weight)


class SymmetricCML(SmoothCML):
    """A positive item must be nearer to its user than to the batch's other users.

    Args:
        share: Weight of that half, beside 1 for the users' half.
        **options: See `SmoothCML`.
    """

    def __init__(self, share: float, **options: Any) -> None:
        super().__init__(**options)
        self.share = share

    def pair_loss(self, pairs: PairBatch) -> tuple[Tensor, Tensor]:
        """Note which users of the batch lack which of its items, bool (n, k)."""
        train = self.evaluator.interactions("train")
        self._unseen = ~train.contain(pairs.users[None], pairs.items[:, None])
        return super().pair_loss(pairs)

    def metric_loss(self, pairs: PairBatch, points: Compared, weight: Tensor) -> Tensor:
        """Both halves."""
        users, user, positive, _ = points
        near = (user - positive).square().sum(1)
        options = self.margin, self.temperature
        half = shared_smooth_hinge(positive, users, near, self._unseen, *options)
        whole = super().metric_loss(pairs, points, weight)
        return whole + self.share * half.mean()


class SelfTrainedWDGRL(WDGRL):
    """Late in training, classes of target rows that are sure count as labels.

    Args:
        begin: Share of ``trainer.max_steps`` after which they do.
        sure: Probability from which a class is sure.
        **options: See `WDGRL`.
    """

    def __init__(self, begin: float = 0.75, sure: float = 0.9, **options: Any) -> None:
        super().__init__(**options)
        self.begin, self.sure = begin, sure

    def objective(self, batch: Features) -> Tensor:
        """That of WDGRL, plus the cross-entropy of the sure rows."""
        loss = super().objective(batch)
        if self.global_step < self.begin * self.trainer.max_steps:
            return loss
        logits = self.classifier(batch.target)
        most, found = logits.detach().softmax(1).max(1)
        each = cross_entropy(logits, found, reduction="none")
        late: Tensor = (each * (most > self.sure)).mean()
        return loss + late
