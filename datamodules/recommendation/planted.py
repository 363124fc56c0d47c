"""Synthetic interactions with known latent positions."""

from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.core.samplers import seeded_generator
from datamodules.recommendation.base import InteractionData, SplitPairs
from lightning_modules.core.limits import check_size
from lightning_modules.core.validation import check_at_least, check_positive
from lightning_modules.data_contracts.user_items import UserItems

WEIGHT = 16  # bytes, with the distance that it comes from


class PlantedInteractions(InteractionData):
    r"""Users and items at random positions in the unit ball; users take what is near.

    Each user takes ``n_taken`` items drawn without replacement with probability
    proportional to :math:`e^{-d^2 / 2 t^2}`. The best possible ranking is that by
    the true distances, so a model is measured against it. Of a user's items, a
    fifth, drawn at random, is for validation and a fifth for test.

    Args:
        n_users: Number of users.
        n_items: Number of items.
        n_taken: Items each user takes, at least 5.
        dim: Coordinates of the positions.
        reach: t, in units of the ball.
        draw_order: Whether the items that were drawn first, which are nearer, are those
            to train on, as in version 0.1, whose checkpoints need it.
        **options: Batches of `InteractionData`, except ``mask_val``, which is true.

    Attributes:
        user_positions: float32 (n_users, dim).
        item_positions: float32 (n_items, dim).
    """

    user_positions: Tensor
    item_positions: Tensor

    def __init__(
        self,
        n_users: int = 2000,
        n_items: int = 500,
        n_taken: int = 50,
        dim: int = 2,
        reach: float = 0.15,
        *,
        draw_order: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(mask_val=True, **options)
        check_at_least(1, "data.", n_users=n_users, dim=dim)
        check_at_least(5, "data.", n_taken=n_taken)
        check_at_least(n_taken, "data.", n_items=n_items)
        check_positive(**{"data.reach": reach})
        self.sizes = (n_users, n_items)
        self.n_taken, self.dim, self.reach = n_taken, dim, reach
        self.draw_order = draw_order

    @override
    def read(self) -> SplitPairs:
        """Positions, and the items that are drawn by them."""
        n_users, n_items = self.sizes
        name = f"data.n_users: {n_users} users, each with weights of {n_items} items,"
        check_size(WEIGHT * n_users * n_items, name=name)
        generator = seeded_generator("planted", self.seed)
        self.user_positions, self.item_positions = (
            _in_ball(n, self.dim, generator) for n in self.sizes
        )
        squared = torch.cdist(self.user_positions, self.item_positions).square()
        logits = (-squared / (2 * self.reach**2)).double()
        weights = (logits - logits.amax(1, keepdim=True)).exp().clamp_min(1e-30)
        items = torch.multinomial(weights, self.n_taken, generator=generator)
        if not self.draw_order:  # which would make the parts unlike each other
            order = torch.rand(items.shape, generator=generator).argsort(1)
            items = items.gather(1, order)
        fifth = self.n_taken // 5
        sizes = [self.n_taken - 2 * fifth, fifth, fifth]
        parts = torch.split(items, sizes, dim=1)
        train, val, test = (_pairs(part, self.sizes) for part in parts)
        return SplitPairs(train, val, test)


def _in_ball(n: int, dim: int, generator: torch.Generator) -> Tensor:
    """Points that fill the unit ball evenly, (n, dim)."""
    direction = torch.randn(n, dim, generator=generator)
    radius = torch.rand(n, 1, generator=generator) ** (1 / dim)
    points: Tensor = radius * direction / direction.norm(dim=1, keepdim=True)
    return points


def _pairs(items: Tensor, sizes: tuple[int, int]) -> UserItems:
    users = torch.arange(len(items)).repeat_interleave(items.shape[1])
    return UserItems.from_pairs(users, items.flatten(), *sizes)
