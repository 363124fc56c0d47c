"""Models that rank items for users, and how they are evaluated."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from lightning_modules.core.module import TrackedModule
from lightning_modules.core.validation import check_at_least
from lightning_modules.data_contracts.sparse_rows import Rows
from lightning_modules.data_contracts.user_items import UserItems
from lightning_modules.functional.ranking import top_items
from lightning_modules.metrics.ranking import Exposure, RankingMetrics


class ItemRanker(TrackedModule):
    """What all rankers share: whole catalogues ranked for users.

    Validation and test rank all items for every user who has some to be found, leave
    out what is seen (see the data module) and log the measures of `RankingMetrics`, and
    of `Exposure` at the first cut-off; prediction gives the best items that a user does
    not have.

    What a model holds is sized by the data, or by the checkpoint that is loaded, and is
    made in ``setup``.

    Args:
        ks: Cut-offs of the measures.
        item_chunk: Items ranked at a time; None ranks all at once.

    Raises:
        ValueError: If an argument is out of its range.
    """

    monitor: ClassVar[str] = "val/ndcg@20"
    mode: ClassVar[str] = "max"
    score_name: ClassVar[str] = "score"
    """What people are shown beside an item."""
    ranks_new_items: bool = False
    """Whether items that nobody took have a place of their own."""
    n_users: int = 0
    n_items: int = 0

    def __init__(self, ks: Sequence[int], item_chunk: int | None = None) -> None:
        super().__init__()
        self.automatic_optimization = False
        check_at_least(1, item_chunk=item_chunk)
        self.item_chunk = item_chunk
        self.ranking = RankingMetrics(ks)
        self._trained_on: dict[str, str] = {}
        self._forget()

    # What a method defines ----------------------------------------------------------

    def make(self, n_users: int, n_items: int, width: int) -> None:
        """Make what is sized by the data; ``width`` is that of the item features."""

    def scores(self, users: Tensor, part: slice) -> Tensor:
        """Scores (n, m) of m items for users int64 (n,); higher is better."""
        raise NotImplementedError

    def shown(self, scores: Tensor) -> Tensor:
        """The scores as people are shown them."""
        return scores

    # The data -----------------------------------------------------------------------

    def setup(self, stage: str) -> None:  # noqa: ARG002
        """Make what is sized by the data, unless a checkpoint did."""
        self._forget()
        data = self._data()
        if data is None:
            return
        features = data.catalogue.features
        width = 0 if features is None else features.shape[1]
        if not self.n_items:
            self._make(data.n_users, data.n_items, width)
        found, wanted = (self.n_users, self.n_items), (data.n_users, data.n_items)
        if found != wanted:
            raise ValueError(
                f"The model has {found[0]} users and {found[1]} items, the data "
                f"{wanted[0]} and {wanted[1]}: use the data that it was trained on."
            )
        self._compare()

    def _data(self) -> Any:
        return getattr(self._trainer, "datamodule", None)

    def _compare(self) -> None:
        """Refuse data that is not what the loaded weights were trained on.

        Raises:
            ValueError: If users or items are others, or, unless for prediction, the
                training pairs, so that test pairs may have been trained on.
        """
        data = self._data()
        if data is None or not self._trained_on:
            return
        for what, mark in self._trained_on.items():
            asked = what == "users and items" or not self.trainer.predicting
            if asked and data.fingerprints[what] != mark:
                raise ValueError(
                    f"The {what} of the data are not those that the checkpoint was "
                    "trained on: take the same files, data.split_seed and other "
                    "options of data, as in its run's config.yaml."
                )

    def _forget(self) -> None:
        """Let go of what was kept of the data."""
        self._known: dict[str, UserItems] = {}
        self._features: Rows | None = None
        self._taken: Tensor | None = None

    def _make(self, n_users: int, n_items: int, width: int) -> None:
        self.make(n_users, n_items, width)
        self._sizes = n_users, n_items, width
        self.n_users, self.n_items = n_users, n_items

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the sizes."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["sizes"] = list(self._sizes)
        data = self._data()
        own = self._trained_on
        checkpoint["trained_on"] = own if data is None else data.fingerprints

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Make what the checkpoint's weights are for."""
        super().on_load_checkpoint(checkpoint)
        if not self.n_items:
            self._make(*checkpoint["sizes"])
        self._trained_on = checkpoint.get("trained_on", {})
        self._compare()

    def known(self, part: str) -> UserItems:
        """Pairs of a part of the data (``train``, ``val``, ``test``), on the device."""
        found = self._known.get(part)
        if found is None or found.items.device != self.device:
            data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
            found = self._known[part] = data.interactions(part).to(self.device)
        return found

    @property
    def taken(self) -> Tensor:
        """Which items have a training pair, bool (n_items,)."""
        if self._taken is None:
            counts = torch.bincount(self.known("train").items, minlength=self.n_items)
            self._taken = counts > 0
        return self._taken

    @property
    def features(self) -> Rows:
        """Item features (n_items, width), on the model's device and in its type."""
        if self._features is None or self._features.device != self.device:
            data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
            if data.catalogue.features is None:
                raise ValueError(
                    "The model was trained with item features, and the data has none: "
                    "use the data that it was trained on."
                )
            self._features = data.catalogue.features.to(self.device, self.dtype)
        return self._features

    # Evaluation ---------------------------------------------------------------------

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
            scores = self.scores(users, part)
            if hidden is None:
                return scores
            return scores.masked_fill(hidden[part], -torch.inf)

        return top_items(score, self.n_items, k, pairs, chunk=self.item_chunk)

    def _top(self, users: Tensor, stage: str) -> tuple[Tensor, Tensor]:
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        return self.rank(users, max(self.ranking.ks), self.known(data.seen_at[stage]))

    def on_fit_start(self) -> None:
        """Refuse callbacks that wait for a measure which is not taken."""
        super().on_fit_start()
        taken = [f"{name}@{k}" for k in self.ranking.ks for name in self.ranking.names]
        for callback in self.trainer.callbacks:  # type: ignore[attr-defined]
            waited = getattr(callback, "monitor", None) or ""
            name, _, k = waited.removeprefix("val/").partition("@")
            of_ours = waited.startswith("val/") and name in self.ranking.names
            if of_ours and f"{name}@{k}" not in taken:
                raise ValueError(
                    f"{type(callback).__name__} in trainer.callbacks monitors "
                    f"'{waited}': add {k} to model.ks, or monitor "
                    f"'val/{name}@{self.ranking.ks[-1]}'."
                )

    def on_validation_epoch_start(self) -> None:
        """Begin to count what is shown."""
        taken = torch.bincount(self.known("train").items, minlength=self.n_items)
        self.exposure = Exposure(taken, self.ranking.ks[0]).to(self.device)

    on_test_epoch_start = on_validation_epoch_start

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:  # noqa: ARG002
        """Rank all items for users int64 (n,)."""
        self._measure(batch, "val")

    def test_step(self, batch: Tensor, batch_idx: int) -> None:  # noqa: ARG002
        """Rank all items for users int64 (n,)."""
        self._measure(batch, "test")

    def _measure(self, users: Tensor, stage: str) -> None:
        top, _ = self._top(users, stage)
        self.ranking.update(top, users, self.known(stage))
        self.exposure.update(top)

    def on_predict_start(self) -> None:
        """Refuse to rank new items that have no place.

        Raises:
            ValueError: If the data asks for new items, and they don't.
        """
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        self._only_new = data.predict_items == "new"
        if self._only_new and not self.ranks_new_items:
            raise ValueError(
                "data.predict_items: new ranks items that nobody took, which only "
                "their features place: train CML or SmoothCML with "
                "model.feature_weight above 0, or set data.predict_items to all."
            )

    def predict_step(self, batch: Tensor, batch_idx: int) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """The best items of users int64 (n,) that they don't have, see `rank`."""
        hidden = self.taken if self._only_new else None
        return self.rank(batch, max(self.ranking.ks), self.known("all"), hidden)

    def on_validation_epoch_end(self) -> None:
        """Log measures such as ``val/ndcg@20``."""
        self._report("val")

    def on_test_epoch_end(self) -> None:
        """Log measures such as ``test/ndcg@20``."""
        self._report("test")

    def _report(self, stage: str) -> None:
        found = {**self.ranking.compute(), **self.exposure.compute()}
        self.log_evaluation({f"{stage}/{key}": value for key, value in found.items()})
        self.ranking.reset()

    def check_data(self, data: Any) -> None:
        """Refuse data that is not pairs of users and items.

        Raises:
            ValueError: Naming the data.
        """
        if not hasattr(data, "seen_at"):
            raise ValueError(
                f"{type(self).__name__} ranks items for users, and "
                f"{type(data).__name__} has none: set data to Interactions, "
                "SplitFiles, CiteULike, MovieLens or PlantedInteractions."
            )
