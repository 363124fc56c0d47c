"""Recommendations by the data's own ids: for users, for new users, and why."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from typing import Any, NamedTuple

import lightning.pytorch as pl
import torch
from torch import Tensor

from lightning_modules.core.module import AlternatingModule
from lightning_modules.core.validation import NotFiniteError, check_at_least
from lightning_modules.data_contracts.user_items import UserItems
from lightning_modules.recommendation.evaluation import Ranker, RankingEvaluator

Id = str | int
REASONS = 2  # items that explain a recommendation
NEW = "new"
"""What a new user is called who has no other name."""


class Recommended(NamedTuple):
    """A line of a list of recommendations.

    Attributes:
        user: Id of the user, or of the item that others are like.
        item: Id of the item.
        name: Its name for display, the id where there is none.
        rank: Its place, from 1.
        value: Distance or score, see ``score_name``.
        because: Names of the user's items that are most like it, at most two.
    """

    user: str
    item: str
    name: str
    rank: int
    value: float
    because: tuple[str, ...] = ()


class Recommender:
    """A trained ranker with the data that it was trained on, asked by ids.

    Ids are the data's own, as text or as numbers. Items that a user has are left out.

    Args:
        model: A method that ranks items, such as `CML`, trained or loaded.
        data: A data module of users and items, with the users and items that the model
            was trained on.

    Raises:
        ValueError: If the model ranks no items, or the data is other data.
    """

    def __init__(self, model: pl.LightningModule, data: Any) -> None:
        evaluator = model.evaluator if isinstance(model, AlternatingModule) else None
        if not isinstance(evaluator, RankingEvaluator):
            raise ValueError(
                f"{type(model).__name__} does not rank items for users: give a method "
                "of recommendation, such as CML."
            )
        data.prepare_data()
        data.setup("predict")
        evaluator.attach(data)
        self.model: Ranker = evaluator.module
        self.evaluator, self.data = evaluator, data
        model.eval()

    @property
    def score_name(self) -> str:
        """What values are: ``distance``, lower is nearer, or ``score``."""
        return self.evaluator.score_name

    # Lists --------------------------------------------------------------------------

    @torch.no_grad()
    def recommend(self, users: Sequence[Id], k: int = 10) -> list[Recommended]:
        """The k best items of each user whom the model was trained on.

        Raises:
            ValueError: If an id is not known; with the nearest ones.
        """
        check_at_least(1, k=k)
        rows = self._rows("user", users)
        seen = self.evaluator.interactions("all")
        ranked = self.evaluator.rank(rows, k, seen, self._hidden)
        own = seen.of(rows)
        size = len(rows), seen.n_items
        histories = UserItems.from_pairs(own.rows, own.items, *size)
        return list(self._lines([str(user) for user in users], histories, ranked))

    @torch.no_grad()
    def recommend_for_items(
        self, items: Sequence[Id] | Mapping[str, Sequence[Id]], k: int = 10
    ) -> list[Recommended]:
        """The k best items of users who were not trained on, from the items they have.

        Nothing is trained again: each method folds such a user in, in closed form or
        by a few steps with all items fixed.

        Args:
            items: Ids of one user's items, or of several users' by name.
            k: Items of each user.

        Raises:
            ValueError: If an id is not known, or no item of a user was trained on.
        """
        check_at_least(1, k=k)
        users = items if isinstance(items, Mapping) else {NEW: items}
        owned = {user: self._rows("item", own) for user, own in users.items()}
        known = {user: self._trained(user, own) for user, own in owned.items()}
        ranked = self.evaluator.rank_for(
            self._histories(known.values()), k, self._hidden, self._histories(owned)
        )
        return list(self._lines(list(users), self._histories(known.values()), ranked))

    @torch.no_grad()
    def similar_items(self, items: Sequence[Id], k: int = 10) -> list[Recommended]:
        """The k items that are most like each of these, itself left out.

        Fewer where the method finds no others alike, as `Popularity` does always. A
        value is a distance, a cosine, or what an item adds to the score of the other,
        as the method has it.

        Raises:
            ValueError: If an id is not known.
        """
        check_at_least(1, k=k)
        rows = self._rows("item", items)
        likeness = self.model.likeness(rows)
        likeness[torch.arange(len(rows)), rows] = -torch.inf
        if self._hidden is not None:
            likeness[:, self._hidden] = -torch.inf
        values, others = likeness.topk(min(k, likeness.shape[1]))
        others = others.masked_fill(values == -torch.inf, -1)
        nothing = UserItems(rows.new_zeros(len(rows) + 1), rows[:0], 1)
        names = [str(item) for item in items]
        return list(self._lines(names, nothing, (others, values)))

    # Parts --------------------------------------------------------------------------

    @property
    def _hidden(self) -> Tensor | None:
        return self.evaluator.hidden("predict")

    @cached_property
    def _places(self) -> dict[str, dict[str, int]]:
        """Rows of users and items by id."""
        catalogue, sizes = self.data.catalogue, self.evaluator.sizes
        sides = {
            "user": (catalogue.user_ids, sizes.n_users),
            "item": (catalogue.item_ids, sizes.n_items),
        }
        return {
            side: {str(one): row for row, one in enumerate(_listed(*ids))}
            for side, ids in sides.items()
        }

    def _rows(self, side: str, ids: Sequence[Id]) -> Tensor:
        places = self._places[side]
        if not len(ids):
            raise ValueError(f"{side}s: none are named; give at least one id.")
        unknown = next((one for one in ids if str(one) not in places), None)
        if unknown is not None:
            near = get_close_matches(str(unknown), places, 3)
            shown = ", ".join(f"'{one}'" for one in near or [*places][:1])
            like = "the nearest ids are" if near else "ids look like"
            raise ValueError(
                f"{side}s: there is no {side} '{unknown}' in the data; {like} {shown}."
            )
        rows = [places[str(one)] for one in ids]
        return torch.tensor(rows, device=self.model.device)

    def _trained(self, user: str, items: Tensor) -> Tensor:
        """Those of a user's items that something is known about."""
        known = items[self.evaluator.seen_items[items]]
        if not len(known):
            raise ValueError(
                f"items: nobody has an item of the user '{user}' in the data that the "
                "model was trained on, so it says nothing about them; name others."
            )
        return known

    def _histories(self, items: Any) -> UserItems:
        """Items of several users, who are numbered from 0."""
        lists = list(items.values() if isinstance(items, Mapping) else items)
        lengths = torch.tensor([len(one) for one in lists], device=lists[0].device)
        users = torch.arange(len(lists), device=lengths.device)
        every = torch.cat(lists)
        users = users.repeat_interleave(lengths)
        return UserItems.from_pairs(users, every, len(lists), self.evaluator.n_items)

    def _lines(
        self,
        users: Sequence[str],
        histories: UserItems,
        ranked: tuple[Tensor, Tensor],
    ) -> Iterator[Recommended]:
        items, scores = ranked
        if scores[items >= 0].isnan().any():
            raise NotFiniteError(
                "Scores hold NaN: use a checkpoint from before training diverged."
            )
        values = self.evaluator.shown(scores)
        own = torch.split(histories.items, histories.counts.tolist())
        ids = list(self._places["item"])
        for row, user in enumerate(users):
            listed = items[row][items[row] >= 0]
            reasons = self._reasons(own[row], listed)
            names = self.data.catalogue.named(listed.tolist())
            for place, item in enumerate(listed.tolist()):
                yield Recommended(
                    user,
                    ids[item],
                    names[place],
                    place + 1,
                    float(values[row, place]),
                    reasons[place],
                )

    def _reasons(self, own: Tensor, items: Tensor) -> list[tuple[str, ...]]:
        """Names of those of a user's items that are most like each of these."""
        if not len(own):
            return [()] * len(items)
        likeness = self.model.likeness(own)[:, items]
        values, places = likeness.topk(min(REASONS, len(own)), dim=0)
        named = self.data.catalogue.named(own.tolist())
        return [
            tuple(
                named[place]
                for place, value in zip(places[:, i], values[:, i], strict=True)
                if value > -torch.inf
            )
            for i in range(len(items))
        ]


def _listed(ids: Any, n: int) -> Sequence[Id]:
    return range(n) if ids is None else ids.tolist()
