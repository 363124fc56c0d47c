"""Evaluation of rankings: whole catalogues ranked for users."""

from collections.abc import Sequence
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
from lightning_modules.data_contracts.user_items import UserItems
from lightning_modules.functional.ranking import top_items
from lightning_modules.metrics.ranking import Exposure, RankingMetrics


class Sizes(NamedTuple):
    """What the data sizes: users, items, and the width of item features."""

    n_users: int
    n_items: int
    width: int


class Ranker(Protocol):
    """What a method that ranks items defines.

    Its weights are sized by the data, or by the checkpoint that is loaded: ``make`` is
    called in set-up, before anything is loaded.
    """

    evaluator: "RankingEvaluator"

    @property
    def device(self) -> torch.device:
        """Where the weights are."""

    @property
    def trainer(self) -> pl.Trainer:
        """The run."""

    def make(self, sizes: Sizes) -> None:
        """Make what is sized by the data."""

    def scores(self, users: Tensor, part: slice) -> Tensor:
        """Scores (n, m) of m items for users int64 (n,); higher is better."""


class RankingEvaluator(Evaluator[Any]):
    """Ranks all items for users, and what a ranker knows of its data.

    Validation and test rank all items for every user who has some to be found, leave
    out what is seen (see the data module) and give the metrics of `RankingMetrics`, and
    of `Exposure` at the first cut-off; prediction gives the best items that a user has
    not interacted with.

    Args:
        ks: Cut-offs of the metrics.
        item_chunk: Items ranked at a time; None ranks all at once.
        places_new_items: Whether items without a training interaction are placed by
            their features.

    Attributes:
        sizes: Numbers of users and items; 0 until the data or a checkpoint is known.

    Raises:
        ValueError: If an argument is out of its range.
    """

    module: Ranker
    score_name: ClassVar[str] = "score"
    """What people are shown beside an item."""

    def __init__(
        self,
        ks: Sequence[int],
        item_chunk: int | None = None,
        *,
        places_new_items: bool = False,
    ) -> None:
        check_at_least(1, item_chunk=item_chunk)
        self.item_chunk, self.places_new_items = item_chunk, places_new_items
        self.ranking = RankingMetrics(ks)
        self.sizes = Sizes(0, 0, 0)
        self._trained_on: dict[str, str] = {}
        self._forget()

    def shown(self, scores: Tensor) -> Tensor:
        """The scores as people are shown them."""
        return scores

    def _forget(self) -> None:
        """Let go of what was kept of the data."""
        self._interactions: dict[str, UserItems] = {}
        self._features: Rows | None = None
        self._seen_items: Tensor | None = None

    # The data -----------------------------------------------------------------------

    @property
    def _data(self) -> ReadInteractions:
        data: ReadInteractions = data_of(self.module.trainer)
        return data

    @override
    def check_data(self, data: Any) -> None:
        """Refuse data that has no users and items (ValueError)."""
        if not isinstance(data, InteractionSource):
            raise ValueError(
                f"{type(self.module).__name__} ranks items for users, and "
                f"{type(data).__name__} has none: set data to Interactions, "
                "SplitFiles, CiteULike, MovieLens or PlantedInteractions."
            )

    @override
    def setup(self) -> None:
        """Make what is sized by the data, unless a checkpoint did."""
        self._forget()
        if not isinstance(data_of(self.module.trainer), InteractionSource):
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
        self._compare()

    def _make(self, sizes: Sizes) -> None:
        self.sizes = sizes
        self.module.make(sizes)

    @property
    def n_items(self) -> int:
        """Number of items."""
        return self.sizes.n_items

    def _compare(self) -> None:
        """Refuse data that is not what the loaded weights were trained on.

        Raises:
            ValueError: If users or items are others, or, unless for prediction, the
                training interactions, so that test ones may have been trained on.
        """
        trainer = attached_trainer(self.module)  # type: ignore[arg-type]
        if not self._trained_on or data_of(trainer) is None:
            return
        assert trainer is not None
        for what, fingerprint in self._trained_on.items():
            matters = what == "users and items" or not trainer.predicting
            if matters and self._data.fingerprints[what] != fingerprint:
                raise ValueError(
                    f"The {what} of the data are not those that the checkpoint was "
                    "trained on: take the same files, data.split_seed and other "
                    "options of data, as in its run's config.yaml."
                )

    @override
    def save(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["sizes"] = list(self.sizes)
        known = isinstance(data_of(self.module.trainer), InteractionSource)
        fingerprints = self._data.fingerprints if known else self._trained_on
        checkpoint["trained_on"] = fingerprints

    @override
    def load(self, checkpoint: dict[str, Any]) -> None:
        if not self.n_items:
            self._make(Sizes(*checkpoint["sizes"]))
        self._trained_on = checkpoint.get("trained_on", {})
        self._compare()

    def interactions(self, split: str) -> UserItems:
        """Those of a split of the data, on the device; see `ReadInteractions`."""
        pairs = self._interactions.get(split)
        if pairs is None or pairs.items.device != self.module.device:
            pairs = self._data.interactions(split).to(self.module.device)
            self._interactions[split] = pairs
        return pairs

    @property
    def seen_items(self) -> Tensor:
        """Which items have a training interaction, bool (n_items,)."""
        if self._seen_items is None:
            self._seen_items = self._popularity() > 0
        return self._seen_items

    def _popularity(self) -> Tensor:
        train = self.interactions("train")
        return torch.bincount(train.items, minlength=self.n_items)

    def features(self, dtype: Any) -> Rows:
        """Item features (n_items, width), on the model's device and in this type."""
        device = self.module.device
        if self._features is None or self._features.device != device:
            features = self._data.catalogue.features
            if features is None:
                raise ValueError(
                    "The model was trained with item features, and the data has none: "
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

        What a user has ``seen`` is left out, and for all what is ``hidden``, bool
        (n_items,); see `top_items` for the rest.
        """
        pairs = None if seen is None else seen.of(users)

        def score(part: slice) -> Tensor:
            scores = self.module.scores(users, part)
            if hidden is None:
                return scores
            return scores.masked_fill(hidden[part], -torch.inf)

        return top_items(score, self.n_items, k, pairs, chunk=self.item_chunk)

    @override
    def on_fit_start(self, *, fresh: bool) -> None:
        """Refuse callbacks that wait for a metric which is not computed."""
        computed = [
            f"{name}@{k}" for k in self.ranking.ks for name in self.ranking.names
        ]
        callbacks: list[Any] = self.module.trainer.callbacks  # type: ignore[attr-defined]
        for callback in callbacks:
            # stock callbacks have a monitor, or None, or no such attribute
            metric = vars(callback).get("monitor") or ""
            name, _, k = metric.removeprefix("val/").partition("@")
            of_ours = metric.startswith("val/") and name in self.ranking.names
            if of_ours and f"{name}@{k}" not in computed:
                raise ValueError(
                    f"{type(callback).__name__} in trainer.callbacks monitors "
                    f"'{metric}': add {k} to model.ks, or monitor "
                    f"'val/{name}@{self.ranking.ks[-1]}'."
                )

    @override
    def start(self, stage: str) -> None:
        self.ranking.to(self.module.device).reset()
        exposure = Exposure(self._popularity(), self.ranking.ks[0])
        self.exposure = exposure.to(self.module.device)

    @override
    def update(self, stage: str, batch: Tensor, loader: int) -> None:
        seen = self.interactions(self._data.seen_at[stage])
        top, _ = self.rank(batch, max(self.ranking.ks), seen)
        self.ranking.update(top, batch, self.interactions(stage))
        self.exposure.update(top)

    @override
    def compute(self, stage: str) -> Values:
        return {**self.ranking.compute(), **self.exposure.compute()}

    @override
    def check_checkpoint(self) -> None:
        """Refuse to rank new items that have no features to be placed by."""
        self._only_new = self._data.predict_items == "new"
        if not self.module.trainer.predicting:
            return
        if self._only_new and not self.places_new_items:
            raise ValueError(
                "data.predict_items: new ranks cold-start items (without a training "
                "interaction), which only their features place: train CML or SmoothCML "
                "with model.feature_weight above 0, or set data.predict_items to all."
            )

    @override
    def predict(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """The best items of users int64 (n,) that they have not seen, see `rank`."""
        hidden = self.seen_items if self._only_new else None
        return self.rank(batch, max(self.ranking.ks), self.interactions("all"), hidden)
