"""The best items of a few users, while a model learns."""

from collections.abc import Sequence
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger

from callbacks.core.scalars import at_least_one
from callbacks.predictions.prediction_table import write_table
from callbacks.recommendation.item_data import item_data, item_ranker
from callbacks.recommendation.ranking_table import ranking_table
from callbacks.runs.run_directory import run_directory


class TopItems(Callback):
    """Shows after a validation what a few users would be offered.

    A table like that of `RankingTable`, of items that the users have not taken, goes to
    W&B as a table and to TensorBoard as text; without such a logger it is the file
    ``top_items/<step>.csv`` in the run's directory.

    Args:
        users: Ids of the users, or how many: the first of the data.
        k: Items of each user.
        every_n_validations: Validations between two tables.

    Raises:
        ValueError: If a number is below 1, a user is not known, the data is not users
            and items, or the model does not rank them.
    """

    def __init__(
        self,
        users: int | Sequence[int | str] = 5,
        k: int = 10,
        every_n_validations: int = 1,
    ) -> None:
        if isinstance(users, int):
            at_least_one("users", users)
        self.users, self.k = users, at_least_one("k", k)
        self.every = at_least_one("every_n_validations", every_n_validations)
        self._seen = 0
        self._rows = torch.zeros(0).long()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find the users now, not after hours of training."""
        if stage != "fit":
            return
        data = item_data(self, trainer)
        item_ranker(self, pl_module)
        self._seen = 0
        if isinstance(self.users, int):
            self._rows = torch.arange(min(self.users, data.n_users))
            return
        try:
            self._rows = data.catalogue.user_rows(self.users, data.n_users)
        except ValueError as error:
            told = str(error).replace("data.predict_users", "users of TopItems")
            raise ValueError(told) from None

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Rank the items; all ranks do, in case that tables are spread over them."""
        quick = trainer.fast_dev_run or trainer.sanity_checking  # type: ignore[attr-defined]
        if quick or trainer.state.fn != "fit":
            return
        self._seen += 1
        if self._seen % self.every:
            return
        module, data = item_ranker(self, pl_module), item_data(self, trainer)
        with torch.no_grad():
            users = self._rows.to(pl_module.device)
            seen = data.interactions("all").to(pl_module.device)
            items, scores = module.rank(users, self.k, seen)
        found = (items.cpu(), module.shown(scores).cpu(), module.score_name)
        if trainer.is_global_zero:
            _show(trainer, ranking_table(self._rows, *found, data.catalogue))


def _show(trainer: Trainer, table: Any) -> None:
    """To the loggers that show tables, or into a file."""
    step, taken = trainer.global_step, False
    for logger in trainer.loggers:
        if isinstance(logger, WandbLogger):
            rows = [list(row) for row in table.rows()]
            logger.log_table("top_items", columns=table.columns, data=rows, step=step)
            taken = True
        elif isinstance(logger, TensorBoardLogger):
            text = "\n".join(_markdown(table))
            logger.experiment.add_text("top_items", text, step)
            taken = True
    if not taken:
        write_table(table, run_directory(trainer) / "top_items" / f"{step}.csv")


def _markdown(table: Any) -> list[str]:
    lines = [table.columns, ["---"] * table.width, *table.rows()]
    cells = ([str(cell).replace("|", "\\|") for cell in line] for line in lines)
    return [f"| {' | '.join(line)} |" for line in cells]
