"""Collaborative metric learning with the hinge at the hardest negative made smooth."""

from collections.abc import Sequence
from typing import Any

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from lightning_modules.core.validation import check_positive
from lightning_modules.functional.shared_hinge import shared_smooth_hinge
from lightning_modules.optim.rowwise_adagrad import RowwiseAdagrad
from lightning_modules.recommendation.cml import CML
from lightning_modules.recommendation.negatives import Negatives, Sampling


class SmoothCML(CML):
    r"""CML whose pairs push all candidates away, the nearest most.

    .. math:: \tau \log\Bigl(1 + \sum_k e^{(m + d(i,j)^2 - d(i,k)^2) / \tau}\Bigr),
              \qquad \lVert u_i \rVert, \lVert v_j \rVert \le 1

    which for :math:`\tau \to 0` is the hinge at the hardest of the U candidates. The
    sum over impostors takes the place of the rank weight of `CML`. All pairs of a batch
    share their candidates, so that a step is two products of matrices. What else CML
    has (ball, covariance term, features) is the same.

    This is not in the CML paper; docs/decisions says what it is for and what it brings.

    Args:
        dim: Coordinates of a point.
        margin: m, in squared units of the ball.
        temperature: Tau > 0, in squared units of the ball.
        n_negatives: U, items drawn for a batch.
        covariance_weight: Lambda_c.
        feature_weight: Lambda_f; above 0 the data must have item features.
        feature_hidden: Widths of f's hidden layers.
        feature_dropout: Share of each hidden layer that training sets to 0.
        sampling: How items are drawn, see `Negatives`.
        popularity_power: Of ``sampling: popularity``.
        ball: Whether points are held in the unit ball.
        ks: Cut-offs of the measures.
        item_chunk: Items ranked at a time; None ranks all at once.
        optimizer: Makes the optimizer of both tables; it must take sparse gradients.
        scheduler: Makes its learning-rate schedule, stepped once per update, or None.
        feature_optimizer: Makes the optimizer of f.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> SmoothCML(dim=8, temperature=0.1).negatives.shared
        True
    """

    def __init__(
        self,
        dim: int = 64,
        margin: float = 1.0,
        temperature: float = 0.2,
        n_negatives: int = 2000,
        covariance_weight: float = 0.0,
        feature_weight: float = 0.0,
        feature_hidden: Sequence[int] = (256,),
        feature_dropout: float = 0.5,
        sampling: Sampling = "uniform",
        popularity_power: float = 0.75,
        ball: bool = True,
        ks: Sequence[int] = (10, 20, 50),
        item_chunk: int | None = None,
        optimizer: OptimizerCallable = lambda p: RowwiseAdagrad(p),
        scheduler: LRSchedulerCallable | None = None,
        feature_optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p),
    ) -> None:
        options: dict[str, Any] = {
            "dim": dim,
            "margin": margin,
            "covariance_weight": covariance_weight,
            "feature_weight": feature_weight,
            "feature_hidden": feature_hidden,
            "feature_dropout": feature_dropout,
            "ball": ball,
            "ks": ks,
            "item_chunk": item_chunk,
            "optimizer": optimizer,
            "scheduler": scheduler,
            "feature_optimizer": feature_optimizer,
        }
        super().__init__(**options)
        check_positive(temperature=temperature)
        self.save_hyperparameters()
        self.temperature = temperature
        self.negatives = Negatives(n_negatives, sampling, popularity_power, shared=True)

    def negatives_of(
        self,
        users: Tensor,  # noqa: ARG002
        items: Tensor,  # noqa: ARG002
        drawn: Tensor,
        allowed: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """The candidates of the batch, and which of them a pair may use."""
        return drawn[0], allowed

    def metric_loss(
        self, user: Tensor, positive: Tensor, negative: Tensor, weight: Tensor
    ) -> Tensor:
        """The smooth hinge of points (n, d) at candidates (U, d)."""
        near = (user - positive).square().sum(1)
        options = self.margin, self.temperature
        return shared_smooth_hinge(user, negative, near, weight, *options).mean()
