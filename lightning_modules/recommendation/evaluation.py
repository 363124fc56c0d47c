"""Evaluation of recommendations by ranking the whole catalogue."""

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple, Protocol

import lightning.pytorch as pl
import torch
from torch import Tensor
from typing_extensions import override

from lightning_modules.core.evaluation import Evaluator, Values
from lightning_modules.core.lightning_internals import attached_trainer
from lightning_modules.core.validation import check_at_least
from lightning_modules.data_contracts.contracts import (
    InteractionSource,
    ReadInteractions,
    data_of,
)
from lightning_modules.data_contracts.sparse_rows import Rows
from lightning_modules.data_contracts.user_items import Pairs, UserItems
from lightning_modules.functional.ranking import top_items
from lightning_modules.metrics.ranking import Exposure, RankingMetrics


class Sizes(NamedTuple):
    """Sizes from the data: users, items, and the width of item features."""

    n_users: int
    n_items: int
    width: int


class Ranker(Protocol):
    """A method that ranks items.

    The sizes of its weights come from the data, or from a loaded checkpoint: ``make``
    is called in ``setup``, before weights are loaded.
    """

    evaluator: "RankingEvaluator"

    @property
    def device(self) -> torch.device:
        """Device of the weights."""

    @property
    def trainer(self) -> pl.Trainer:
        """The trainer."""

    def make(self, sizes: Sizes) -> None:
        """Make the tables and networks of these sizes."""

    def scores(self, users: Tensor, part: slice) -> Tensor:
        """Scores (n, m) of m items for users int64 (n,); higher is better."""

    def fold_in(self, history: UserItems) -> Tensor:
        """Rows (n, d) that stand for users with these items, who were not trained on.

        Each has at least one item.
        """

    def scores_of(self, rows: Tensor, part: slice) -> Tensor:
        """Scores (n, m) of m items for such rows (n, d)."""

    def likeness(self, items: Tensor) -> Tensor:
        """How alike items int64 (n,) are to all, (n, n_items); -inf is not at all."""


class RankingEvaluator(Evaluator[Any]):
    """Ranking of all items for each user, and the data that it needs.

    Validation and test rank all items except the seen ones (see the data module) for
    every user with an interaction in the split, and give the metrics of
    `RankingMetrics`, and of `Exposure` at the first cut-off; prediction gives the best
    items without an interaction. Cold-start items are ranked for
    ``predict_items: new`` alone, see `hidden`.

    Args:
        ks: Cut-offs of the metrics.
        item_chunk: Items ranked at a time; None ranks all at once.
        ranks_cold_items: Whether cold-start items are ranked by their features.
        repels_cold_items: Whether training moves cold-start items away from users, as
            negatives.

    Attributes:
        sizes: Numbers of users, items and features; 0 until data or a checkpoint is
            read.

    Raises:
        ValueError: If an argument is out of its range.
    """

    module: Ranker
    score_name: ClassVar[str] = "score"
    """Name of the score in tables of recommendations."""

    def __init__(
        self,
        ks: Sequence[int],
        item_chunk: int | None = None,
        *,
        ranks_cold_items: bool = False,
        repels_cold_items: bool = True,
    ) -> None:
        check_at_least(1, item_chunk=item_chunk)
        self.item_chunk, self.ranks_cold_items = item_chunk, ranks_cold_items
        self.repels_cold_items = repels_cold_items
        self.ranking = RankingMetrics(ks)
        self.sizes = Sizes(0, 0, 0)
        self._trained_on: dict[str, str] = {}
        self._attached: ReadInteractions | None = None
        self._forget()

    def shown(self, scores: Tensor) -> Tensor:
        """Scores in the unit of tables of recommendations."""
        return scores

    def _forget(self) -> None:
        """Drop the cached data."""
        self._interactions: dict[str, UserItems] = {}
        self._features: Rows | None = None
        self._popularity: Tensor | None = None
        self._seen_items: Tensor | None = None

    # The data -----------------------------------------------------------------------

    @property
    def _data(self) -> ReadInteractions:
        if self._attached is not None:
            return self._attached
        data: ReadInteractions = data_of(self.module.trainer)
        return data

    def attach(self, data: ReadInteractions) -> None:
        """Rank with data that was read, without a trainer.

        Raises:
            ValueError: If the model was trained on other users and items.
        """
        self._forget()
        sizes, own = self.sizes[:2], (data.n_users, data.n_items)
        trained = self._trained_on.get("users and items")
        if sizes != own or trained not in (None, data.fingerprints["users and items"]):
            raise ValueError(
                "The users and items of the data are not those that the model was "
                "trained on: use the same files and options of data, as in its run's "
                "config.yaml."
            )
        self._attached = data

    @override
    def check_data(self, data: Any) -> None:
        if not isinstance(data, InteractionSource):
            raise ValueError(
                f"{type(self.module).__name__} ranks items for users, but "
                f"{'a loader' if data is None else type(data).__name__} has no users "
                "and items: set data to Interactions, SplitFiles, CiteULike, MovieLens "
                "or PlantedInteractions."
            )

    @override
    def setup(self) -> None:
        """Make tables and networks of the data's sizes, unless a checkpoint did."""
        self._forget()
        self._attached = None
        given = data_of(self.module.trainer)
        if not isinstance(given, InteractionSource):
            if not self.n_items:  # and so no tables
                self.check_data(given)
            return
        data = self._data
        features = data.catalogue.features
        width = 0 if features is None else features.shape[1]
        if not self.n_items:
            self._make(Sizes(data.n_users, data.n_items, width))
        if self.sizes[:2] != (data.n_users, data.n_items):
            raise ValueError(
                f"The model has {self.sizes.n_users} users and {self.n_items} items, "
                f"the data {data.n_users} and {data.n_items}: use the data that it was "
                "trained on."
            )
        self._check_width(self.sizes.width, width)
        self._check_fingerprints()

    def _check_width(self, trained: int, found: int) -> None:
        """Refuse other item features than the model was trained with."""
        if self.ranks_cold_items and 0 < found != trained:
            raise ValueError(
                f"The model was trained with {trained} item features, but the data has "
                f"{found}: use the same data.features and data.feature_columns, as in "
                "its run's config.yaml."
            )

    def _make(self, sizes: Sizes) -> None:
        self.sizes = sizes
        self.module.make(sizes)

    @property
    def n_items(self) -> int:
        """Number of items."""
        return self.sizes.n_items

    def _check_fingerprints(self) -> None:
        """Refuse data other than that which the loaded weights were trained on.

        Raises:
            ValueError: If users or items differ, or, unless for prediction, the
                training interactions, since test ones may have been trained on.
        """
        trainer = attached_trainer(self.module)  # type: ignore[arg-type]
        if not self._trained_on or data_of(trainer) is None:
            return
        assert trainer is not None
        for part, fingerprint in self._trained_on.items():
            matters = part == "users and items" or not trainer.predicting
            if matters and self._data.fingerprints[part] != fingerprint:
                raise ValueError(
                    f"The {part} of the data are not those that the checkpoint was "
                    "trained on: use the same files, data.split_seed and other "
                    "options of data, as in its run's config.yaml."
                )

    @override
    def save(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["sizes"] = list(self.sizes)
        has_data = isinstance(data_of(self.module.trainer), InteractionSource)
        fingerprints = self._data.fingerprints if has_data else self._trained_on
        checkpoint["trained_on"] = fingerprints

    @override
    def load(self, checkpoint: dict[str, Any]) -> None:
        if not self.n_items:
            self._make(Sizes(*checkpoint["sizes"]))
        self._check_width(Sizes(*checkpoint["sizes"]).width, self.sizes.width)
        self._trained_on = checkpoint.get("trained_on", {})
        self._check_fingerprints()

    def interactions(self, split: str) -> UserItems:
        """Interactions of a split, on the device; see `ReadInteractions`."""
        pairs = self._interactions.get(split)
        if pairs is None or pairs.items.device != self.module.device:
            pairs = self._data.interactions(split).to(self.module.device)
            self._interactions[split] = pairs
        return pairs

    @property
    def seen_items(self) -> Tensor:
        """Mask of the items with a training interaction, bool (n_items,)."""
        if self._seen_items is None:
            self._seen_items = self.popularity > 0
        return self._seen_items

    @property
    def popularity(self) -> Tensor:
        """Training interactions of each item, int64 (n_items,)."""
        if self._popularity is None:
            train = self.interactions("train")
            self._popularity = torch.bincount(train.items, minlength=self.n_items)
        return self._popularity

    def features(self, dtype: Any) -> Rows:
        """Item features (n_items, width), on the model's device and of a dtype."""
        device = self.module.device
        if self._features is None or self._features.device != device:
            features = self._data.catalogue.features
            if features is None:
                raise ValueError(
                    "The model was trained with item features, but the data has none: "
                    "use the data that it was trained on."
                )
            self._features = features.to(device, dtype)
        assert self._features is not None
        return self._features

    # Ranking ------------------------------------------------------------------------

    def rank(
        self,
        users: Tensor,
        k: int,
        seen: UserItems | None = None,
        hidden: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The k best items of users int64 (n,), and their scores, both (n, k).

        Items that a user has ``seen`` are left out, and for all users those that are
        ``hidden``, bool (n_items,); see `top_items` for the rest.
        """
        pairs = None if seen is None else seen.of(users)
        score = partial(self.module.scores, users)
        return self._best(score, k, pairs, hidden)

    def rank_for(
        self,
        history: UserItems,
        k: int,
        hidden: Tensor | None = None,
        seen: UserItems | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Like `rank`, for users who were not trained on, from the items they have.

        Items of their ``history`` are left out, or those that they have ``seen``.
        """
        score = partial(self.module.scores_of, self.module.fold_in(history))
        seen = history if seen is None else seen
        return self._best(score, k, Pairs(seen.users, seen.items), hidden)

    def _best(
        self,
        score: Callable[[slice], Tensor],
        k: int,
        seen: Pairs | None,
        hidden: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        def shown(part: slice) -> Tensor:
            scores = score(part)
            if hidden is None:
                return scores
            return scores.masked_fill(hidden[part], -torch.inf)

        return top_items(shown, self.n_items, k, seen, chunk=self.item_chunk)

    def hidden(self, stage: str) -> Tensor | None:
        """Items that nobody is offered, bool (n_items,); None hides none.

        Cold-start items, where training never moved them away from users, so that they
        would stand in everybody's list; not at validation and test of data whose
        protocol ranks all items. With ``predict_items: new`` all others.
        """
        predicts = stage == "predict"
        if predicts and self._data.predict_items == "new":
            return self.seen_items
        ranks_all = self._data.ranks_cold_items and not predicts
        return None if self.repels_cold_items or ranks_all else ~self.seen_items

    @override
    def metric_names(self) -> Collection[str]:
        k = self.ranking.ks[0]
        shares = (f"{name}@{k}" for name in ("coverage", "popularity", "novelty"))
        return (*self.ranking.keys, *shares)

    @override
    def advice(self, monitor: str) -> str:
        name, _, k = monitor.removeprefix("val/").partition("@")
        lacks = name in self.ranking.names and f"{name}@{k}" not in self.ranking.keys
        lacks &= monitor.startswith("val/") and k.isdigit()
        return f"add {k} to model.ks, or " if lacks else ""

    @override
    def start(self, stage: str) -> None:
        self.ranking.to(self.module.device).reset()
        exposure = Exposure(self.popularity, self.ranking.ks[0])
        self.exposure = exposure.to(self.module.device)

    @override
    def update(self, stage: str, batch: Tensor, loader: int) -> Tensor:
        """Add users int64 (n,); their metrics, (len(keys), n), see `RankingMetrics`."""
        seen = self.interactions(self._data.seen_at[stage])
        most, hidden = max(self.ranking.ks), self.hidden(stage)
        top, scores = self.rank(batch, most, seen, hidden)
        self.watch(scores[:, 0])  # NaN comes first
        self.ranking.update(top, batch, self.interactions(stage))
        self.exposure.update(top)
        return self.ranking.latest

    @override
    def compute(self, stage: str) -> Values:
        return {**self.ranking.compute(), **self.exposure.compute()}

    @override
    def check_checkpoint(self) -> None:
        """Refuse to rank cold-start items by a model without item features."""
        only_new = self._data.predict_items == "new"
        if not self.module.trainer.predicting:
            return
        if only_new and not self.ranks_cold_items:
            raise ValueError(
                "data.predict_items: new ranks cold-start items (without a training "
                "interaction), which needs item features: train CML or SmoothCML with "
                "model.feature_weight above 0, or set data.predict_items to all."
            )

    @override
    def predict(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """Best items of users int64 (n,) without an interaction, see `rank`."""
        known, hidden = self.interactions("all"), self.hidden("predict")
        return self.rank(batch, max(self.ranking.ks), known, hidden)
