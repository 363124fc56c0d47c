"""LightGCN++ (Lee et al. 2024, doi:10.1145/3640457.3688176)."""

from typing import Any, ClassVar

from typing_extensions import override

from lightning_modules.core.validation import (
    check_at_least,
    check_finite,
    check_share,
)
from lightning_modules.recommendation.lightgcn import LightGCN


class LightGCNPlusPlus(LightGCN):
    r"""LightGCN whose neighbours send unit vectors, with weights that are chosen.

    .. math:: e_i^{(k + 1)} = \frac{1}{|N_i|^\alpha} \sum_{j \in N_i}
              \frac{1}{|N_j|^\beta} \frac{e_j^{(k)}}{\lVert e_j^{(k)} \rVert}, \qquad
              E = \gamma E^{(0)} + \frac{1 - \gamma}{K} \sum_{k=1}^K E^{(k)}

    Alpha sets how far a node's length grows with its neighbours, beta how much the
    popular ones count. The loss is LightGCN's.

    Args:
        alpha: Exponent of who receives.
        beta: Exponent of who sends; below 0 popular neighbours count for more.
        gamma: Share of the first embeddings, in [0, 1).
        n_layers: K, at least 1.
        **options: As for `LightGCN`.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> LightGCNPlusPlus(dim=8).shares()
        [0.2, 0.4, 0.4]
    """

    unit: ClassVar[bool] = True

    def __init__(
        self,
        *,
        alpha: float = 0.6,
        beta: float = -0.1,
        gamma: float = 0.2,
        n_layers: int = 2,
        **options: Any,
    ) -> None:
        super().__init__(n_layers=n_layers, **options)
        check_at_least(1, n_layers=n_layers)
        check_share(gamma=gamma)
        check_finite(alpha=alpha, beta=beta)
        self.exponents, self.gamma = (alpha, beta), gamma
        self.save_hyperparameters()

    @override
    def shares(self) -> list[float]:
        """Gamma for the first embeddings, the rest for the layers in equal parts."""
        return [self.gamma, *[(1 - self.gamma) / self.n_layers] * self.n_layers]
