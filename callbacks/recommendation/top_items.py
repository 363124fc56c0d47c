"""The best items of a few users, during training."""

from collections.abc import Sequence
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from typing_extensions import override

from callbacks.core.loggers import log_media, run_directory
from callbacks.core.requirements import require_interactions, require_ranker
from callbacks.predictions.prediction_table import write_table
from callbacks.recommendation.ranking_table import ranking_table, refuse_nan_scores
from lightning_modules.core.lightning_internals import is_fitting
from lightning_modules.core.validation import check_at_least


class TopItems(Callback):
    """Shows after a validation what a few users would be offered.

    A table like that of `RankingTable`, without the items that the users have
    interacted with, goes to W&B as a table and to TensorBoard as text; without such a
    logger it is the file ``top_items/<step>.csv`` in the run's directory.

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
        users: int | Sequence[str | int] = 5,
        k: int = 10,
        every_n_validations: int = 1,
    ) -> None:
        check_at_least(1, users=users if isinstance(users, int) else None)
        check_at_least(1, k=k, every_n_validations=every_n_validations)
        self.users, self.k, self.every = users, k, every_n_validations
        self._validations = 0
        self._rows = torch.zeros(0).long()

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find the users now, not after hours of training."""
        if stage != "fit":
            return
        data = require_interactions(self, trainer)
        require_ranker(self, pl_module)
        self._validations = 0
        if isinstance(self.users, int):
            self._rows = torch.arange(min(self.users, data.n_users))
            return
        try:
            self._rows = data.catalogue.user_rows(self.users, data.n_users)
        except ValueError as error:
            text = str(error).replace("data.predict_users", "users of TopItems")
            raise ValueError(text) from None

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Rank the items, on all ranks, since tables may be sharded over them."""
        quick = trainer.fast_dev_run or trainer.sanity_checking  # type: ignore[attr-defined]
        if quick or not is_fitting(trainer):
            return
        self._validations += 1
        if self._validations % self.every:
            return
        module = require_ranker(self, pl_module)
        data = require_interactions(self, trainer)
        with torch.no_grad():
            users = self._rows.to(pl_module.device)
            seen = data.interactions("all").to(pl_module.device)
            items, scores = module.rank(users, self.k, seen, module.hidden("predict"))
        refuse_nan_scores(items, scores)
        ranking = (items.cpu(), module.shown(scores).cpu(), module.score_name)
        if trainer.is_global_zero:
            _show(trainer, ranking_table(self._rows, *ranking, data.catalogue))


def _show(trainer: Trainer, table: Any) -> None:
    """To the loggers that show tables, or into a file."""
    key, step = "top_items", trainer.global_step

    def to_wandb(logger: Any) -> None:
        rows = [list(row) for row in table.rows()]
        logger.log_table(key, columns=table.columns, data=rows, step=step)

    def to_tensorboard(logger: Any) -> None:
        logger.experiment.add_text(key, "\n".join(_markdown(table)), step)

    if not log_media(trainer, to_wandb, to_tensorboard):
        write_table(table, run_directory(trainer) / key / f"{step}.csv")


def _markdown(table: Any) -> list[str]:
    lines = [table.columns, ["---"] * table.width, *table.rows()]
    cells = ([str(cell).replace("|", "\\|") for cell in line] for line in lines)
    return [f"| {' | '.join(line)} |" for line in cells]
