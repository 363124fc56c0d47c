"""Base of methods that are fitted once to all training interactions."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor
from typing_extensions import override

from lightning_modules.core.module import AlternatingModule
from lightning_modules.core.optimisation import Learner
from lightning_modules.data_contracts.contracts import DataKind
from lightning_modules.data_contracts.user_items import UserItems
from lightning_modules.recommendation.evaluation import RankingEvaluator, Sizes
from lightning_modules.recommendation.fold_in import many_hot


class FittedEvaluator(RankingEvaluator):
    """Evaluation of what was fitted, here or in a checkpoint."""

    @override
    def check_checkpoint(self) -> None:
        super().check_checkpoint()
        module: Any = self.module
        if not list(module.buffers()):
            raise ValueError(
                f"{type(module).__name__} was not fitted, so it can't rank items: give "
                "a checkpoint of a fit (ckpt_path)."
            )


class FittedRanker(AlternatingModule):
    """A ranker that is solved at the start of a fit; training batches are not used.

    Train it with ``trainer.max_epochs: 1`` and ``trainer.limit_train_batches: 1``. The
    solution is in buffers, and so in checkpoints.

    Args:
        ks: Cut-offs of the metrics.
        item_chunk: Items ranked at a time; None ranks all at once.

    Raises:
        ValueError: If an argument is out of its range.
    """

    monitor: ClassVar[str] = "val/ndcg@20"
    mode: ClassVar[str] = "max"
    takes: ClassVar[Sequence[DataKind]] = ("interactions",)
    alternates: ClassVar[bool] = False
    evaluator: RankingEvaluator

    def __init__(
        self, ks: Sequence[int] = (10, 20, 50), item_chunk: int | None = None
    ) -> None:
        super().__init__(FittedEvaluator(ks, item_chunk))

    def solve(self, train: UserItems) -> Mapping[str, Tensor]:
        """Buffers by name, from the training interactions (on the CPU)."""
        raise NotImplementedError

    def scores(self, users: Tensor, part: slice) -> Tensor:
        """Scores (n, m) of m items for users int64 (n,); higher is better.

        Those of the items that they were trained on with.
        """
        seen = self.evaluator.interactions("train").of(users)
        rows = torch.zeros(len(users), self.evaluator.n_items, device=users.device)
        rows[seen.rows, seen.items] = 1
        return self.scores_of(rows, part)

    def fold_in(self, history: UserItems) -> Tensor:
        """Ones at the items of each user, (n, n_items): what `scores_of` needs."""
        return many_hot(history)

    def scores_of(self, rows: Tensor, part: slice) -> Tensor:
        """Scores (n, m) of m items for rows of `fold_in`."""
        raise NotImplementedError

    def likeness(self, items: Tensor) -> Tensor:
        """How alike items int64 (n,) are to all, (n, n_items); -inf is not at all."""
        raise NotImplementedError

    def make(self, sizes: Sizes) -> None:
        """No weights: `solve` makes the buffers."""

    @override
    def learners(self) -> list[Learner]:
        return []

    @override
    def setup(self, stage: str) -> None:
        """Refuse several processes, which would all solve the same."""
        super().setup(stage)
        if stage == "fit" and self.trainer.world_size > 1:
            raise ValueError(
                f"{type(self).__name__} is solved at once, by one process: set "
                "trainer.devices to 1 for fit."
            )

    @override
    def on_fit_start(self) -> None:
        """Solve, and register the buffers."""
        super().on_fit_start()
        train = self.evaluator.interactions("train").to("cpu")
        for name, value in self.solve(train).items():
            self.register_buffer(name, value.to(self.device))

    @override
    def training_step(self, batch: Any, batch_idx: int) -> None:
        """No update."""

    @override
    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        for name, value in checkpoint["state_dict"].items():
            if "." not in name:
                self.register_buffer(name, torch.empty_like(value))


def as_csr(interactions: UserItems) -> "csr_matrix[np.float32]":
    """Interactions as SciPy's binary matrix (n_users, n_items)."""
    ones = np.ones(len(interactions), np.float32)
    parts = ones, interactions.items.numpy(), interactions.starts.numpy()
    return csr_matrix(parts, (interactions.n_users, interactions.n_items))
