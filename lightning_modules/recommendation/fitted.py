"""Rankers without steps: solved or counted once, from all training pairs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from lightning_modules.data_contracts.user_items import UserItems
from lightning_modules.recommendation.base import ItemRanker


class FittedRanker(ItemRanker):
    """A ranker that a fit solves at its start; batches of training are passed over.

    Train it with ``trainer.max_epochs: 1`` and ``trainer.limit_train_batches: 1``. What
    was solved is in buffers, and so in checkpoints.
    """

    def solve(self, train: UserItems) -> Mapping[str, Tensor]:
        """Buffers by name, from the training pairs (on the CPU)."""
        raise NotImplementedError

    def make(self, n_users: int, n_items: int, width: int) -> None:
        """Nothing yet: `solve` makes the buffers."""

    def configure_optimizers(self) -> Any:
        """None."""
        return []

    def on_fit_start(self) -> None:
        """Solve."""
        super().on_fit_start()
        for name, value in self.solve(self.known("train").to("cpu")).items():
            self.register_buffer(name, value.to(self.device))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Nothing is left to learn."""

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the buffers of the checkpoint."""
        super().on_load_checkpoint(checkpoint)
        for name, value in checkpoint["state_dict"].items():
            if "." not in name:
                self.register_buffer(name, torch.empty_like(value))


def as_csr(pairs: UserItems) -> "csr_matrix[np.float32]":
    """Pairs as SciPy's matrix of ones (n_users, n_items)."""
    ones = np.ones(len(pairs), np.float32)
    parts = ones, pairs.items.numpy(), pairs.starts.numpy()
    return csr_matrix(parts, (pairs.n_users, pairs.n_items))
