"""Sampling of negatives."""

from typing import Literal, get_args

import torch
from torch import Tensor

from lightning_modules.core.limits import FREE, GB, free_memory
from lightning_modules.core.random import RandomStream
from lightning_modules.core.validation import (
    check_at_least,
    check_choice,
    check_nonnegative,
)
from lightning_modules.data_contracts.sparse_rows import entries_of, starts_of
from lightning_modules.data_contracts.user_items import UserItems

Sampling = Literal["uniform", "popularity", "batch"]
CANDIDATE = 32  # bytes: its number, what it is looked up by, and where it is found
SHARED = 9  # bytes for each user: whether it is allowed, its distance and its share


class Negatives:
    """Sampler of candidates, with a mask of those that their users have not seen.

    Args:
        n: Candidates of each interaction; None, where they are shared, takes all items
            once.
        sampling: ``uniform``; ``popularity``, in proportion to an item's number of
            interactions to the power ``power``; ``batch``, from the positive items of
            the batch. Then cold-start items are never sampled, keep their initial
            point, and are left out of rankings.
        power: Of ``popularity``; 1 samples by popularity, 0 uniformly. A cold-start
            item counts as having one interaction: an item that is never sampled is
            never pushed away.
        shared: Whether all interactions of a batch get the same candidates.

    Raises:
        ValueError: If an argument is out of its range, named as the methods' argument.

    >>> pairs = torch.tensor([0]), torch.tensor([2])
    >>> seen = UserItems.from_pairs(*pairs, n_users=1, n_items=3)
    >>> sampler = Negatives(50)
    >>> items, allowed = sampler(*pairs, seen, RandomStream(0, 0, "train"))
    >>> items.shape, bool((allowed == (items != 2)).all())
    (torch.Size([1, 50]), True)
    """

    def __init__(
        self,
        n: int | None,
        sampling: Sampling = "uniform",
        power: float = 0.75,
        shared: bool = False,
    ) -> None:
        if n is not None:
            check_at_least(1, n_negatives=n)
        elif not shared:
            raise ValueError("n_negatives must be a number: each pair draws its own.")
        elif sampling != "uniform":
            raise ValueError(
                f"sampling: {sampling} draws candidates, but n_negatives: null takes "
                "all items; set one of them otherwise."
            )
        check_nonnegative(popularity_power=power)
        check_choice("sampling", sampling, get_args(Sampling))
        self.n, self.sampling, self.power, self.shared = n, sampling, power, shared
        self._shares: Tensor | None = None

    def reset(self) -> None:
        """Drop the cached popularity of the items."""
        self._shares = None

    def __call__(
        self, users: Tensor, items: Tensor, seen: UserItems, noise: RandomStream
    ) -> tuple[Tensor, Tensor]:
        """Candidates of interactions (users, items), int64 (k,) and (n,).

        k = n, unless candidates are shared: a user may then be named once for all of
        its interactions.

        Returns:
            Items int64 (k, U), and a mask of those that the user has not seen.
        """
        if not self.shared:
            candidates = self.draw(items, seen, noise)
            return candidates, ~seen.contain(users[:, None], candidates)
        (candidates,) = self.draw(items, seen, noise, lines=1)
        if items.device.type == "cpu":
            _check_memory(len(users), len(candidates), SHARED, "users")
        allowed = ~_contain_all(seen, users, candidates)
        return candidates.expand(len(users), -1), allowed

    def draw(
        self,
        items: Tensor,
        seen: UserItems,
        noise: RandomStream,
        lines: int | None = None,
    ) -> Tensor:
        """Items int64 (n, U) for positive items (n,), or (lines, U), seen or not."""
        if self.n is None:
            return torch.arange(seen.n_items, device=items.device)[None]
        shape = lines or len(items), self.n
        if items.device.type == "cpu":
            _check_memory(*shape, CANDIDATE, "pairs")
        if self.sampling == "uniform":
            return noise.integers(seen.n_items, *shape)
        if self.sampling == "batch":
            return items[noise.integers(len(items), *shape)]
        if self._shares is None:
            counts = torch.bincount(seen.items, minlength=seen.n_items)
            shares = counts.clamp_min(1).double() ** self.power
            self._shares = (shares.cumsum(0) / shares.sum()).float()
        place = torch.searchsorted(self._shares, noise.uniform(*shape), right=True)
        return place.clamp_max(seen.n_items - 1)


def _check_memory(lines: int, n: int, each: int, what: str) -> None:
    """Refuses more candidates than the memory that is free has room for."""
    size = each * lines * n
    if size > FREE and size > (free := free_memory()):
        raise ValueError(
            f"model.n_negatives: {n} candidates of each of {lines} {what} would take "
            f"{size / GB:,.3g} GB of memory, more than the {free / GB:.3g} GB that are "
            "free; set it or data.batch_size lower."
        )


def _contain_all(seen: UserItems, users: Tensor, items: Tensor) -> Tensor:
    """Whether each of users int64 (n,) has each of items int64 (U,), bool (n, U).

    Looks up the users' interactions, which are fewer than all n U pairs.
    """
    order = items.argsort()
    rows, owned = seen.of(users)
    starts = starts_of(torch.bincount(items, minlength=seen.n_items))
    hits, places = entries_of(starts, owned)
    contained = items.new_zeros((len(users), len(items)), dtype=torch.bool)
    contained[rows.repeat_interleave(hits.diff()), order[places]] = True
    return contained
