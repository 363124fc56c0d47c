"""Users and items whose places are known."""

from collections.abc import Sequence

import torch
from torch import Tensor

from datamodules.core.arguments import at_least
from datamodules.core.samplers import seeded_generator
from datamodules.recommendation.base import InteractionData, SplitPairs
from lightning_modules.data_contracts.user_items import UserItems


class PlantedInteractions(InteractionData):
    r"""Users and items at random places of the unit ball; users take what is near.

    Each user takes ``n_taken`` items drawn without replacement with probability
    proportional to :math:`e^{-d^2 / 2 t^2}`. The best possible ranking is that by
    the true distances, so a model is measured against it. Of a user's items, a fifth is
    for validation and a fifth for test.

    Args:
        n_users: Number of users.
        n_items: Number of items.
        n_taken: Items each user takes, at least 5.
        dim: Coordinates of the places.
        reach: t, in units of the ball.
        batch_size: Pairs in a batch of one process.
        eval_batch_size: Users ranked at a time.
        predict_users: The users that prediction ranks items for; None takes all.
        num_workers: Worker processes that slice batches; the batches are the same for
            any number.
        seed: Seed of the places, of what is taken, and of the order of the pairs.

    Attributes:
        user_places: float32 (n_users, dim).
        item_places: float32 (n_items, dim).
    """

    user_places: Tensor
    item_places: Tensor

    def __init__(
        self,
        n_users: int = 2000,
        n_items: int = 500,
        n_taken: int = 50,
        dim: int = 2,
        reach: float = 0.15,
        batch_size: int = 1024,
        eval_batch_size: int = 256,
        predict_users: Sequence[int | str] | None = None,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(
            batch_size, eval_batch_size, True, predict_users, num_workers, seed
        )
        at_least("n_users", n_users, 1)
        at_least("n_taken", n_taken, 5)
        at_least("dim", dim, 1)
        at_least("n_items", n_items, n_taken)
        if not reach > 0:
            raise ValueError(f"data.reach must be above 0, got {reach}.")
        self.wanted = (n_users, n_items)
        self.n_taken, self.dim, self.reach = n_taken, dim, reach

    def read(self) -> SplitPairs:
        """Places, and what is taken from them."""
        generator = seeded_generator("planted", self.seed)
        self.user_places, self.item_places = (
            _in_ball(n, self.dim, generator) for n in self.wanted
        )
        squared = torch.cdist(self.user_places, self.item_places).square()
        chance = (-squared / (2 * self.reach**2)).double()
        chance = (chance - chance.amax(1, keepdim=True)).exp().clamp_min(1e-30)
        taken = torch.multinomial(chance, self.n_taken, generator=generator)
        fifth = self.n_taken // 5
        sizes = [self.n_taken - 2 * fifth, fifth, fifth]
        parts = torch.split(taken, sizes, dim=1)
        train, val, test = (_pairs(part, self.wanted) for part in parts)
        return SplitPairs(train, val, test)


def _in_ball(n: int, dim: int, generator: torch.Generator) -> Tensor:
    """Points that fill the unit ball evenly, (n, dim)."""
    way = torch.randn(n, dim, generator=generator)
    radius = torch.rand(n, 1, generator=generator) ** (1 / dim)
    places: Tensor = radius * way / way.norm(dim=1, keepdim=True)
    return places


def _pairs(items: Tensor, sizes: tuple[int, int]) -> UserItems:
    users = torch.arange(len(items)).repeat_interleave(items.shape[1])
    return UserItems.from_pairs(users, items.flatten(), *sizes)
