"""Weighted approximate-rank pairwise loss (Weston et al. 2011, IJCAI)."""

from collections.abc import Sequence

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from lightning_modules.core.validation import check_nonnegative
from lightning_modules.functional.collaborative import metric_hinge
from lightning_modules.optim.rowwise_adagrad import RowwiseAdagrad
from lightning_modules.recommendation.hinge import HingeRanker, Negative
from lightning_modules.recommendation.negatives import Negatives, Sampling
from lightning_modules.recommendation.pairwise import BiasedRanker


class WARP(HingeRanker, BiasedRanker):
    r"""Matrix factorisation with CML's hinge: products in the place of distances.

    .. math:: \min \sum_{(i,j)} w_{ij} [m - s_{ij} + s_{ik}]_+
              + \frac\lambda2 (\lVert u_i \rVert^2 + \lVert v_j \rVert^2
              + \lVert v_k \rVert^2), \qquad
              s_{ij} = \langle u_i, v_j \rangle + b_j

    with means over the batch. The paper takes the first impostor that is drawn and
    weights by a harmonic sum; the weight here is that of eq. 53.

    Args:
        dim: Coordinates of a factor.
        margin: m > 0, in units of the score.
        n_negatives: U, items drawn for each pair.
        negative: ``first`` impostor, or the ``hardest`` of the items drawn.
        rank_weighted: Whether the hinge is weighted.
        decay: Lambda, of the rows in a batch; biases have none.
        sampling: How items are drawn, see `Negatives`.
        popularity_power: Of ``sampling: popularity``.
        ks: Cut-offs of the measures.
        item_chunk: Items ranked at a time; None ranks all at once.
        optimizer: Makes the optimizer of the tables; it must take sparse gradients.
        scheduler: Makes its learning-rate schedule, stepped once per update, or None.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> WARP(dim=8).negatives.n
        20
    """

    def __init__(
        self,
        dim: int = 64,
        margin: float = 1.0,
        n_negatives: int = 20,
        negative: Negative = "first",
        rank_weighted: bool = True,
        decay: float = 0.01,
        sampling: Sampling = "uniform",
        popularity_power: float = 0.75,
        ks: Sequence[int] = (10, 20, 50),
        item_chunk: int | None = None,
        optimizer: OptimizerCallable = lambda p: RowwiseAdagrad(p),
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        super().__init__(
            margin,
            negative,
            rank_weighted,
            dim=dim,
            negatives=Negatives(n_negatives, sampling, popularity_power),
            optimizer=optimizer,
            scheduler=scheduler,
            ks=ks,
            item_chunk=item_chunk,
        )
        check_nonnegative(decay=decay)
        self.save_hyperparameters()
        self.decay = decay

    def costs(self, user: Tensor, items: Tensor) -> Tensor:
        """Negative scores."""
        return -self.score(user, items)

    def objective(
        self, users: Tensor, items: Tensor, drawn: Tensor, allowed: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The loss of pairs (n,) with candidates (n, U)."""
        negatives, weight = self.choose(users, items, drawn, allowed)
        user, both = self.users(users), torch.stack([items, negatives], 1)
        near, far = self.costs(user, both).unbind(1)
        loss = (weight * metric_hinge(near, far, self.margin)).mean()
        self.record(loss=loss)
        if self.decay:
            lengths = user.square().sum(1) + self.items(both).square().sum((1, 2))
            loss = loss + self.decay / 2 * lengths.mean()
        return loss, both.flatten()
