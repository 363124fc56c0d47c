"""Two-dimensional distributions with known density."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from sklearn.datasets import make_swiss_roll
from torch import Tensor
from typing_extensions import override

from datamodules.core.in_memory import InMemoryDataModule, Splits
from datamodules.core.samplers import seeded_generator
from datamodules.core.tensor_dataset import LabelledRows
from lightning_modules.core.limits import check_size
from lightning_modules.core.validation import check_at_least, check_positive

CloudName = Literal["gaussians8", "gaussians25", "swiss_roll", "ring8", "grid25"]


def ring(radius: float) -> Tensor:
    """Eight centres on a circle, (8, 2)."""
    angle = torch.arange(8, dtype=torch.float64) * (2 * math.pi / 8)
    return radius * torch.stack([angle.cos(), angle.sin()], dim=1)


def grid(spacing: float) -> Tensor:
    """Centres of a 5 x 5 square around zero, (25, 2)."""
    line = spacing * torch.arange(-2, 3, dtype=torch.float64)
    return torch.cartesian_prod(line, line)


@dataclass(frozen=True)
class Mixture:
    """Equal Gaussians before they are divided by the scale."""

    centres: Tensor
    std: float
    scale: float


MIXTURES = {
    "gaussians8": Mixture(ring(2.0), 0.02, 1.414),
    "gaussians25": Mixture(grid(2.0), 0.05, 2.828),
    "ring8": Mixture(ring(1.0), 0.01, 1.0),
    "grid25": Mixture(grid(2.0), 0.05, 2.828),
}
SWISS_ROLL_SCALE = 7.5
POINT = 16  # bytes, with its label


class PointClouds(InMemoryDataModule):
    """Points of a known distribution: (x, y) of float32 (n, 2) and int64 (n,).

    ``y`` is the mode that a point was drawn from (0 for the Swiss roll). Training,
    validation and test points are drawn independently, from ``seed``.

    Args:
        name: ``gaussians8`` (radius 2, sd 0.02, divided by 1.414), ``gaussians25``
            (5 x 5 grid of spacing 2, sd 0.05, divided by 2.828) and ``swiss_roll``
            (noise 0.25, divided by 7.5) are those of WGAN-GP's code; ``ring8`` (radius
            1, sd 0.01) and ``grid25`` (spacing 2, sd 0.05, divided by 2.828) are those
            of the PacGAN table.
        batch_size: Points in a batch of one process.
        n_train: Training points.
        n_val: Validation points.
        n_test: Test points.
        scale: Divides all coordinates; None takes the one named above (1 for
            ``ring8``).
        n_predict: How many samples ``predict`` draws.
        **options: Workers and seed of `InMemoryDataModule`.

    Attributes:
        modes: Centres, float32 (k, 2), in the units of the batches; None for the
            Swiss roll.
        mode_std: Standard deviation of each coordinate around its centre, same units;
            0 for the Swiss roll.

    References:
        arXiv:1704.00028, section 5 and its toy code; arXiv:1712.04086, table 1.

    >>> cloud = PointClouds("ring8", n_train=1000)
    >>> cloud.modes.shape, cloud.mode_std, cloud.real("val").shape
    (torch.Size([8, 2]), 0.01, torch.Size([2500, 2]))
    """

    shape = (2,)

    def __init__(
        self,
        name: CloudName,
        batch_size: int = 256,
        n_train: int = 100_000,
        n_val: int = 2_500,
        n_test: int = 10_000,
        scale: float | None = None,
        *,
        n_predict: int = 2_500,
        **options: Any,
    ) -> None:
        super().__init__(batch_size, n_predict=n_predict, flip=False, **options)
        check_at_least(1, "data.", n_train=n_train, n_val=n_val, n_test=n_test)
        check_positive(**{"data.scale": scale})
        self.name, self.sizes = name, (n_train, n_val, n_test)
        self.modes: Tensor | None = None
        self.mode_std, self.scale = 0.0, scale or SWISS_ROLL_SCALE
        if name != "swiss_roll":
            mixture = MIXTURES[name]
            self.scale = scale or mixture.scale
            self.modes = (mixture.centres / self.scale).float()
            self.mode_std = mixture.std / self.scale
            self.num_classes = len(self.modes)

    @property
    @override
    def title(self) -> str:
        return f"{super().title} {self.name}"

    @override
    def read(self) -> Splits:
        """Draws the three sets, each from a stream of its own."""
        n = sum(self.sizes)
        check_size(POINT * n, name=f"data.n_train and the others: {n} points")
        train, val, test = (
            self.draw(n, seeded_generator("points", self.seed, split))
            for split, n in enumerate(self.sizes)
        )
        return train, val, test

    def draw(self, n: int, generator: torch.Generator) -> LabelledRows[Tensor]:
        """Fresh points and the modes that they come from."""
        if self.modes is None:
            # scikit-learn takes 32 bits of seed
            points, _ = make_swiss_roll(
                n, noise=0.25, random_state=generator.initial_seed() % 2**32
            )
            plane = torch.from_numpy(points[:, [0, 2]] / self.scale).float()
            return LabelledRows(plane, torch.zeros(n, dtype=torch.int64))
        y = torch.randint(len(self.modes), (n,), generator=generator)
        noise = torch.randn(n, 2, generator=generator)
        return LabelledRows(self.modes[y] + self.mode_std * noise, y)
