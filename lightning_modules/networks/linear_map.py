"""The linear map of a learnt Mahalanobis distance."""

import math

import torch
from torch import Tensor, nn

from lightning_modules.core.recipe import remembers


@remembers
class LinearMap(nn.Module):
    r"""Samples (n, *shape) to points (n, num_features) by a matrix L, without a bias.

    The Euclidean distance of the points is the Mahalanobis distance (eq. 46) of the
    samples whose inverse covariance is :math:`L^\top L`.

    Args:
        shape: Shape of one sample, such as [13].
        num_features: Dimension of a point, at most that of a sample; None for the same.
            L starts as the identity, or as its first rows.

    Raises:
        ValueError: If a size is out of its range.

    >>> x = torch.tensor([[1.0, 2.0]])
    >>> LinearMap((2,))(x)
    tensor([[1., 2.]], grad_fn=<MmBackward0>)
    """

    def __init__(self, shape: tuple[int, ...], num_features: int | None = None) -> None:
        super().__init__()
        wide = math.prod(shape)
        narrow = wide if num_features is None else num_features
        if not 1 <= narrow <= wide:
            raise ValueError(
                f"num_features must be from 1 to the {wide} numbers of a sample, got "
                f"{narrow}."
            )
        self.shape, self.num_features = tuple(shape), narrow
        self.weight = nn.Parameter(torch.eye(narrow, wide))

    def forward(self, x: Tensor) -> Tensor:
        """Map samples (n, *shape) to points (n, num_features)."""
        return x.flatten(1) @ self.weight.T
