"""Items that are drawn as negatives of a pair."""

from typing import Literal, get_args

import torch
from torch import Tensor

from lightning_modules.core.random import RandomStream
from lightning_modules.core.validation import (
    check_at_least,
    check_choice,
    check_nonnegative,
)
from lightning_modules.data_contracts.sparse_rows import entries_of, starts_of
from lightning_modules.data_contracts.user_items import UserItems

Sampling = Literal["uniform", "popularity", "batch"]


class Negatives:
    """Draws items, and says which of them their users have not taken.

    Args:
        n: Items drawn for each pair.
        sampling: ``uniform``; ``popularity``, in proportion to how often an item was
            taken to the power ``power``; ``batch``, from the liked items of the batch.
            Then what nobody took is never drawn, stays where it began, and is offered
            more than it should be: take it for data where every item was taken.
        power: Of ``popularity``; 1 draws as often as taken, 0 uniformly. An item that
            nobody took counts as taken once: what is never drawn is never pushed away.
        shared: Whether all pairs of a batch get the same candidates.

    Raises:
        ValueError: If an argument is out of its range; the key is named as the methods
            name it.

    >>> taken = torch.tensor([0]), torch.tensor([2])
    >>> liked = UserItems.from_pairs(*taken, n_users=1, n_items=3)
    >>> draws = Negatives(50)
    >>> items, allowed = draws(*taken, liked, RandomStream(0, 0, "train"))
    >>> items.shape, bool((allowed == (items != 2)).all())
    (torch.Size([1, 50]), True)
    """

    def __init__(
        self,
        n: int,
        sampling: Sampling = "uniform",
        power: float = 0.75,
        shared: bool = False,
    ) -> None:
        check_at_least(1, n_negatives=n)
        check_nonnegative(popularity_power=power)
        check_choice("sampling", sampling, get_args(Sampling))
        self.n, self.sampling, self.power, self.shared = n, sampling, power, shared
        self._shares: Tensor | None = None

    def reset(self) -> None:
        """Forget how often items were taken."""
        self._shares = None

    def __call__(
        self, users: Tensor, items: Tensor, taken: UserItems, noise: RandomStream
    ) -> tuple[Tensor, Tensor]:
        """Candidates of pairs (users, items), int64 (n,) each.

        Returns:
            Items int64 (n, U), and which of them the user has not taken, bool (n, U).
        """
        if not self.shared:
            drawn = self.draw(items, taken, noise)
            return drawn, ~taken.contain(users[:, None], drawn)
        (drawn,) = self.draw(items, taken, noise, lines=1)
        return drawn.expand(len(users), -1), ~_has(taken, users, drawn)

    def draw(
        self,
        items: Tensor,
        taken: UserItems,
        noise: RandomStream,
        lines: int | None = None,
    ) -> Tensor:
        """Items int64 (n, U) for liked items (n,), or (lines, U), whoever took them."""
        shape = lines or len(items), self.n
        if self.sampling == "uniform":
            return noise.integers(taken.n_items, *shape)
        if self.sampling == "batch":
            return items[noise.integers(len(items), *shape)]
        if self._shares is None:
            counts = torch.bincount(taken.items, minlength=taken.n_items)
            shares = counts.clamp_min(1).double() ** self.power
            self._shares = (shares.cumsum(0) / shares.sum()).float()
        place = torch.searchsorted(self._shares, noise.uniform(*shape), right=True)
        return place.clamp_max(taken.n_items - 1)


def _has(taken: UserItems, users: Tensor, items: Tensor) -> Tensor:
    """Who of users int64 (n,) has which of items int64 (U,), bool (n, U).

    It looks at what the users have, which is less than all n U pairs.
    """
    order = items.argsort()
    rows, owned = taken.of(users)
    starts = starts_of(torch.bincount(items, minlength=taken.n_items))
    hits, places = entries_of(starts, owned)
    found = items.new_zeros((len(users), len(items)), dtype=torch.bool)
    found[rows.repeat_interleave(hits.diff()), order[places]] = True
    return found
