"""Metrics of each user, to see for whom a ranking model works."""

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from typing_extensions import override

from callbacks.core.loggers import agreed_run_directory
from callbacks.core.requirements import require_interactions, require_ranker
from callbacks.predictions.numbered_rows import NumberedRows
from callbacks.predictions.prediction_table import (
    DataFrame,
    PredictionTable,
    TableFormat,
    data_frame,
    write_table,
)
from callbacks.recommendation.ranking_table import own_ids
from lightning_modules.core.files import free_name
from lightning_modules.core.validation import check_choice


class UserMetrics(Callback):
    """Writes the metrics of each user of a test into the run's directory.

    ``users.parquet`` or ``users.csv`` has a line for each user with an interaction in
    the test: ``user`` (the data's own id), ``n_train`` and ``n_test`` (how many
    interactions), ``popularity`` (mean training interactions of the items that were to
    be found), and a column for each metric of the model, whose means are those that
    the test reports. An earlier file stays, and the new one is then ``users-1``.
    Several processes need a common file system.

    Args:
        format: ``parquet`` or ``csv``, which doesn't tell whether an id was text.

    Raises:
        ValueError: If the format is another, the data is not users and items, or the
            model does not rank them.
    """

    def __init__(self, format: TableFormat = "parquet") -> None:
        check_choice("format", format, PredictionTable.formats)
        self.format = format
        self.rows = NumberedRows(torch.float64)

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "test":
            require_interactions(self, trainer)
            require_ranker(self, pl_module)

    @override
    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.rows.clear()

    @override
    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any,
        *_: Any,
    ) -> None:  # fmt: skip
        self.rows.add(batch, outputs.T)

    @override
    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the users of all ranks together and write them."""
        if trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        target = agreed_run_directory(trainer) / f"users.{self.format}"
        joined = self.rows.join(trainer, target)
        if joined is not None:
            data = require_interactions(self, trainer)
            keys = require_ranker(self, pl_module).ranking.keys
            target.parent.mkdir(parents=True, exist_ok=True)
            path = write_table(user_table(data, keys, *joined), free_name(target))
            trainer.print(f"Wrote {path}")
        trainer.strategy.barrier(type(self).__name__)


def user_table(
    data: Any, keys: tuple[str, ...], users: Tensor, values: Tensor
) -> DataFrame:
    """A table with a line for each user who has an interaction in the test.

    Args:
        data: Of users and items, ``InteractionSource``.
        keys: Names of the metrics.
        users: Rows of the users, int64 (n,).
        values: Their metrics, (n, len(keys)); NaN has who has nothing in the test.
    """
    train, test = (data.interactions(split).to("cpu") for split in ("train", "test"))
    counted = test.counts[users] > 0
    users, values = users[counted], values[counted]
    popularity = torch.bincount(train.items, minlength=data.n_items).double()
    wanted = torch.zeros(data.n_users, dtype=torch.float64)
    wanted.index_add_(0, test.users, popularity[test.items])
    columns: dict[str, Any] = {
        "user": own_ids(data.catalogue.user_ids, users),
        "n_train": train.counts[users].numpy(),
        "n_test": test.counts[users].numpy(),
        "popularity": (wanted / test.counts)[users].numpy(),
    }
    return data_frame(
        {**columns, **dict(zip(keys, values.T.float().numpy(), strict=True))}
    )
