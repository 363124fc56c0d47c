"""Projections of rows onto the plane: PCA and t-SNE."""

import torch
from torch import Tensor


def principal_plane(x: Tensor) -> tuple[Tensor, float]:
    """The plane in which rows vary most, and its share of the variance.

    Args:
        x: Rows (n, d).

    Returns:
        Points (n, 2), centred, float64, and the share, which is 1 where nothing
        varies. The largest entry of each axis is positive, so that plots don't flip by
        chance.

    >>> points, share = principal_plane(torch.tensor([[0.0, 1, 0], [0, -1, 0]]))
    >>> points[:, 0].round(decimals=6).tolist(), round(share, 6)
    ([1.0, -1.0], 1.0)
    """
    centred = x.double() - x.double().mean(dim=0)
    u, s, v = torch.linalg.svd(centred, full_matrices=False)
    sign = v.gather(1, v.abs().argmax(dim=1, keepdim=True)).sign().T
    points = (u * s * sign)[:, :2]
    if points.shape[1] < 2:
        points = torch.cat([points, torch.zeros_like(points)], dim=1)
    total = float(s.square().sum())
    return points, float(s[:2].square().sum()) / total if total else 1.0


def neighbour_plane(x: Tensor, start: Tensor) -> Tensor:
    """Points of the plane of which the near ones are near rows, by t-SNE.

    How far those are that are not near means nothing. No random number is drawn.

    Args:
        x: Rows (n, d), at least 4, finite.
        start: Points (n, 2) to start from, such as those of `principal_plane`.

    Returns:
        Points (n, 2), float32.

    References:
        van der Maaten and Hinton 2008, "Visualizing Data using t-SNE", JMLR 9.
    """
    from sklearn.manifold import TSNE

    spread = float(start[:, 0].std()) or 1.0
    embedding = TSNE(
        perplexity=min(30.0, (len(x) - 1) / 3),
        init=(1e-4 * start / spread).float().numpy(),
        random_state=0,  # unused with a start; None would be numpy's global stream
    )
    # The unit doesn't matter, but squares of large features would overflow.
    scaled = x.double() / (float(x.abs().max()) or 1.0)
    return torch.from_numpy(embedding.fit_transform(scaled.numpy())).float()
