"""Models that rank items for users: tables of points, and how they are evaluated."""

from collections.abc import Sequence
from typing import Any, ClassVar

from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn

from lightning_modules.functional.ranking import top_items
from lightning_modules.metrics.ranking import RankingMetrics
from lightning_modules.tracked import TrackedModule
from lightning_modules.user_items import UserItems


class ItemRanker(TrackedModule):
    """Users and items as rows of two tables, trained on pairs, ranked in full.

    A batch is ``(users, items)``, int64 (n,) each; evaluation iterates over users. The
    sizes of the tables are those of the data, or of the checkpoint that is loaded: they
    are made in ``setup``. Their gradients are sparse, so that a step costs what it
    touches.

    Validation and test rank all items for every user who has some to be found, leave
    out what is seen (see the data module) and log the measures of `RankingMetrics`.

    Args:
        dim: Coordinates of a point.
        ks: Cut-offs of the measures.
        spread: Standard deviation of the initial coordinates.
        item_chunk: Items ranked at a time; None ranks all at once.

    Raises:
        ValueError: If an argument is out of its range.
    """

    monitor: ClassVar[str] = "val/ndcg@20"
    mode: ClassVar[str] = "max"

    def __init__(
        self,
        dim: int,
        ks: Sequence[int],
        spread: float,
        item_chunk: int | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        for key, value in (("dim", dim), ("item_chunk", item_chunk or 1)):
            if value < 1:
                raise ValueError(f"{key} must be at least 1, got {value}.")
        if not spread > 0:
            raise ValueError(f"spread must be above 0, got {spread}.")
        self.dim, self.spread, self.item_chunk = dim, spread, item_chunk
        self.ranking = RankingMetrics(ks)
        self.users: nn.Embedding
        self.items: nn.Embedding
        self._known: dict[str, UserItems] = {}

    # What a method defines ----------------------------------------------------------

    def scores(self, users: Tensor, part: slice) -> Tensor:
        """Scores (n, m) of m items for users int64 (n,); higher is better."""
        raise NotImplementedError

    score_name: ClassVar[str] = "score"
    """What people are shown beside an item."""

    def shown(self, scores: Tensor) -> Tensor:
        """The scores as people are shown them."""
        return scores

    # Tables -------------------------------------------------------------------------

    @property
    def n_items(self) -> int:
        """Number of items."""
        return self.items.num_embeddings

    def make_tables(self, n_users: int, n_items: int) -> None:
        """Make the tables, with random points."""
        self.users = nn.Embedding(n_users, self.dim, sparse=True)
        self.items = nn.Embedding(n_items, self.dim, sparse=True)
        for table in (self.users, self.items):
            nn.init.normal_(table.weight, std=self.spread)

    def setup(self, stage: str) -> None:  # noqa: ARG002
        """Make the tables of the data's size, unless there are some already."""
        self._known = {}
        data = getattr(self.trainer, "datamodule", None)
        if data is None:
            return
        sizes = data.n_users, data.n_items
        if "users" not in self._modules:
            self.make_tables(*sizes)
        found = self.users.num_embeddings, self.items.num_embeddings
        if found != sizes:
            raise ValueError(
                f"The model has {found[0]} users and {found[1]} items, the data "
                f"{sizes[0]} and {sizes[1]}: use the data that it was trained on."
            )

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Make the tables of the checkpoint's size."""
        super().on_load_checkpoint(checkpoint)
        weights = checkpoint["state_dict"]
        if "users" not in self._modules:
            sizes = (len(weights[f"{name}.weight"]) for name in ("users", "items"))
            self.make_tables(*sizes)

    def known(self, part: str) -> UserItems:
        """Pairs of a part of the data (``train``, ``val``, ``test``), on the device."""
        found = self._known.get(part)
        if found is None or found.items.device != self.device:
            data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
            found = self._known[part] = getattr(data, f"{part}_pairs").to(self.device)
        return found

    # Training -----------------------------------------------------------------------

    def descend(self, loss: Tensor) -> None:
        """One update of everything that learns, counted once."""
        optimizer = self.optimizers()
        assert isinstance(optimizer, LightningOptimizer), "one optimizer for all"
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        self.step_schedulers()

    # Evaluation ---------------------------------------------------------------------

    def rank(
        self, users: Tensor, k: int, seen: UserItems | None = None
    ) -> tuple[Tensor, Tensor]:
        """The k best items of users int64 (n,), and their scores, both (n, k).

        What a user has ``seen`` is left out; see `top_items` for the rest.
        """
        pairs = None if seen is None else seen.of(users)

        def score(part: slice) -> Tensor:
            return self.scores(users, part)

        return top_items(score, self.n_items, k, pairs, chunk=self.item_chunk)

    def _evaluate(self, users: Tensor, stage: str) -> None:
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        seen = self.known(data.seen_at[stage])
        ranked, _ = self.rank(users, max(self.ranking.ks), seen)
        self.ranking.update(ranked, users, self.known(stage))

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:  # noqa: ARG002
        """Rank all items for users int64 (n,)."""
        self._evaluate(batch, "val")

    def test_step(self, batch: Tensor, batch_idx: int) -> None:  # noqa: ARG002
        """Rank all items for users int64 (n,)."""
        self._evaluate(batch, "test")

    def predict_step(self, batch: Tensor, batch_idx: int) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """The best items of users int64 (n,) that they don't have, see `rank`."""
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        seen = self.known(data.seen_at["predict"])
        return self.rank(batch, max(self.ranking.ks), seen)

    def on_validation_epoch_end(self) -> None:
        """Log measures such as ``val/ndcg@20``."""
        self._report("val")

    def on_test_epoch_end(self) -> None:
        """Log measures such as ``test/ndcg@20``."""
        self._report("test")

    def _report(self, stage: str) -> None:
        found = self.ranking.compute()
        self.log_evaluation({f"{stage}/{key}": value for key, value in found.items()})
        self.ranking.reset()

    def check_data(self, data: Any) -> None:
        """Refuse data that is not pairs of users and items.

        Raises:
            ValueError: Naming the data.
        """
        if not hasattr(data, "n_items"):
            raise ValueError(
                f"{type(self).__name__} ranks items for users, and "
                f"{type(data).__name__} has none: set data to PlantedInteractions or "
                "SplitFiles."
            )
