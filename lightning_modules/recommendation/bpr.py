"""Bayesian personalised ranking (Rendle et al. 2009, arXiv:1205.2618)."""

from collections.abc import Sequence

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor
from torch.nn import functional

from lightning_modules.core.validation import check_nonnegative
from lightning_modules.optim.rowwise_adagrad import RowwiseAdagrad
from lightning_modules.recommendation.negatives import Negatives, Sampling
from lightning_modules.recommendation.pairwise import BiasedRanker


class BPR(BiasedRanker):
    r"""Matrix factorisation whose pairs are to score above one drawn item each.

    .. math:: \min \sum_{(i,j)} -\log \sigma(s_{ij} - s_{ik})
              + \frac\lambda2 (\lVert u_i \rVert^2 + \lVert v_j \rVert^2
              + \lVert v_k \rVert^2), \qquad
              s_{ij} = \langle u_i, v_j \rangle + b_j

    with means over the batch. A drawn item that the user has taken gives no loss.

    Args:
        dim: Coordinates of a factor.
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
        >>> BPR(dim=8).decay
        0.01
    """

    def __init__(
        self,
        dim: int = 64,
        decay: float = 0.01,
        sampling: Sampling = "uniform",
        popularity_power: float = 0.75,
        ks: Sequence[int] = (10, 20, 50),
        item_chunk: int | None = None,
        optimizer: OptimizerCallable = lambda p: RowwiseAdagrad(p),
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        negatives = Negatives(1, sampling, popularity_power)
        super().__init__(dim, negatives, optimizer, scheduler, ks, item_chunk)
        check_nonnegative(decay=decay)
        self.save_hyperparameters()
        self.decay = decay

    def objective(
        self, users: Tensor, items: Tensor, drawn: Tensor, allowed: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The loss of pairs (n,) with a candidate (n, 1) each."""
        user, both = self.users(users), torch.cat([items[:, None], drawn], 1)
        gap = self.score(user, both).diff(dim=1)  # negative minus positive
        loss = (functional.softplus(gap) * allowed).mean()
        self.record(loss=loss)
        if self.decay:
            lengths = user.square().sum(1) + self.items(both).square().sum((1, 2))
            loss = loss + self.decay / 2 * lengths.mean()
        return loss, both.flatten()
