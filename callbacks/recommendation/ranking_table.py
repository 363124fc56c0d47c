"""Prediction writer for a ranking model: the best items of users."""

from typing import Any, ClassVar

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from callbacks.core.requirements import require_interactions, require_ranker
from callbacks.predictions.prediction_table import (
    DataFrame,
    PredictionTable,
    TableFormat,
    data_frame,
)
from lightning_modules.core.validation import NotFiniteError, check_at_least


class RankingTable(PredictionTable):
    """Writes the best items of users into ``predictions/`` in the run's directory.

    ``items.parquet`` or ``items.csv`` has a line for each user and rank: ``user`` and
    ``item`` (the data's own ids), ``name`` (what people call the item, where the data
    knows it), ``rank`` (from 1) and ``distance`` or ``score``, float32, as the model
    shows it. Users stand in the order of the data, or of ``data.predict_users``. Items
    that a user has interacted with are left out; who knows nearly all gets fewer lines.
    See `PredictionTable` for the directory, and for several processes.

    Args:
        k: Items of each user, at most the largest of ``model.ks``.
        format: ``parquet`` or ``csv``, which doesn't tell whether an id was text.

    Raises:
        ValueError: If an argument is out of its range, the data is not users and items,
            or the model does not rank them.
    """

    stem: ClassVar[str] = "items"

    def __init__(self, k: int = 10, format: TableFormat = "parquet") -> None:
        super().__init__(format, torch.float64)  # holds item numbers and float32 whole
        check_at_least(1, k=k)
        self.k = k
        self._catalogue: Any = None
        self._score_name = ""
        self._listed: Tensor | None = None

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage != "predict":
            return
        data = require_interactions(self, trainer)
        module = require_ranker(self, pl_module)
        self._catalogue, self._score_name = data.catalogue, module.score_name
        if self.k > (most := max(module.ranking.ks)):
            raise ValueError(
                f"k of RankingTable is {self.k}, and the model ranks {most} items: "
                f"raise the largest of model.ks to {self.k}."
            )
        self._listed = None
        if data.predict_users is not None:
            ids = data.predict_users
            self._listed = data.catalogue.user_rows(ids, data.n_users)

    @override
    def keep(self, pl_module: LightningModule, outputs: Any, batch: Any) -> None:
        """Keep the best items of a batch of users int64 (n,), and what is shown."""
        items, scores = (part[:, : self.k] for part in outputs)
        refuse_nan_scores(items, scores)
        shown = require_ranker(self, pl_module).shown(scores)
        self.rows.add(batch, torch.stack([items.double(), shown.double()], dim=2))

    @override
    def table(self, numbers: Tensor, rows: Tensor) -> DataFrame:
        """The table of users (n,) and their items and scores (n, k, 2)."""
        if self._listed is not None:
            once = torch.tensor(list(dict.fromkeys(self._listed.tolist())))
            listed = once[torch.isin(once, numbers)]  # not all, if batches are limited
            numbers, rows = listed, rows[torch.searchsorted(numbers, listed)]
        items, shown = rows[..., 0].long(), rows[..., 1].float()
        return ranking_table(numbers, items, shown, self._score_name, self._catalogue)


def refuse_nan_scores(items: Tensor, scores: Tensor) -> None:
    """Refuse scores (n, k) of items int64 (n, k) that are NaN (NotFiniteError)."""
    if scores[items >= 0].isnan().any():
        raise NotFiniteError(
            "Predicted scores hold NaN: predict with weights from before training "
            "diverged."
        )


def ranking_table(
    users: Tensor, items: Tensor, shown: Tensor, score_name: str, catalogue: Any
) -> DataFrame:
    """A table with a line for each user and rank.

    Args:
        users: Rows of the users, int64 (n,).
        items: Rows of their items, best first, int64 (n, k); -1 gets no line.
        shown: Distances or scores, (n, k).
        score_name: What they are.
        catalogue: The data's ids and names, a ``Catalogue``.
    """
    place, rank = (items >= 0).nonzero(as_tuple=True)
    listed = items[place, rank]
    columns: dict[str, Any] = {
        "user": own_ids(catalogue.user_ids, users[place]),
        "item": own_ids(catalogue.item_ids, listed),
    }
    if catalogue.item_names:
        columns["name"] = catalogue.named(listed.tolist())
    columns |= {"rank": (rank + 1).numpy(), score_name: shown[place, rank].numpy()}
    return data_frame(columns)


def own_ids(ids: NDArray[Any] | None, rows: Tensor) -> NDArray[Any]:
    """The data's own ids (n,) of rows int64 (n,); the rows where it has none.

    >>> import torch
    >>> own_ids(np.array(["ann", "bob"]), torch.tensor([1, 0])).tolist()
    ['bob', 'ann']
    """
    numbers: NDArray[Any] = rows.cpu().numpy()
    return numbers if ids is None else np.asarray(ids)[numbers]
