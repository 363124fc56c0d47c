"""Export of users' and items' vectors, without checkpoint or pickle."""

from pathlib import Path
from typing import Any, Literal, get_args

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from safetensors.torch import save
from torch import Tensor, nn
from typing_extensions import override

from callbacks.core.loggers import run_directory
from callbacks.core.requirements import require_interactions, require_points
from callbacks.predictions.numbered_rows import build_directory
from callbacks.predictions.prediction_table import data_frame, write_table
from callbacks.recommendation.neighbour_index import build_index, find_faiss
from callbacks.recommendation.ranking_table import own_ids
from lightning_modules.core.files import write_whole
from lightning_modules.core.validation import NotFiniteError, check_choice, is_finite
from lightning_modules.data_contracts.contracts import RanksItems

Index = Literal["none", "flat", "hnsw", "ivf"]


class ExportTables(Callback):
    """Writes ``tables/`` into the run's directory when training ends.

    ``points.safetensors`` has ``users`` (n_users, d) and ``items`` (n_items, d),
    float32, of factors also ``biases`` and of items with heights ``heights``, both
    (n_items, 1). ``users.parquet`` and ``items.parquet`` say whose they are: ``row``,
    ``id`` and, where the data has some, ``name``; items also whether they are
    ``cold_start``, without a training pair. With an index ``items.faiss`` finds the
    items of a user, of those that prediction ranks: it is searched with rows of
    ``users``, and behind each a 1 if there are biases or a 0 if there are heights, and
    gives rows of ``items``. The directory appears when it is complete.

    Args:
        index: ``none``, or a kind of `build_index`.

    Raises:
        ValueError: Before training: if the index is another or faiss is missing, or the
            model has no tables.
    """

    def __init__(self, index: Index = "none") -> None:
        check_choice("index", index, get_args(Index))
        self.index = index

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find out now, not after hours of training, that there is nothing to write."""
        require_interactions(self, trainer)
        require_points(self, pl_module)
        if self.index != "none":
            find_faiss()

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the files, on rank 0; all ranks look up what is sharded."""
        vectors = require_points(self, pl_module).points()
        points = {name: x.cpu().contiguous() for name, x in vectors.items()}
        if not all(map(is_finite, points.values())):
            raise NotFiniteError(
                "The tables hold NaN or infinity: write those from before training "
                "diverged."
            )
        if trainer.fast_dev_run or not trainer.is_global_zero:  # type: ignore[attr-defined]
            return
        data, ranker = (
            require_interactions(self, trainer),
            vars(pl_module).get("evaluator"),
        )
        hidden = ranker.hidden("predict") if isinstance(ranker, RanksItems) else None
        target = run_directory(trainer) / "tables"
        path = build_directory(
            target, lambda new: self._fill(new, points, data, hidden)
        )
        trainer.print(f"Wrote {path}")

    def _fill(
        self, new: Path, points: dict[str, Tensor], data: Any, hidden: Tensor | None
    ) -> None:
        write_whole(new / "points.safetensors", save(points))
        users, items, factors = points["users"], points["items"], "biases" in points
        trained = data.interactions("train").items.cpu()
        cold = torch.bincount(trained, minlength=len(items)) == 0
        for side, more in (("users", {}), ("items", {"cold_start": cold.numpy()})):
            legend = _legend(len(points[side]), side, data.catalogue)
            write_table(data_frame(legend | more), new / f"{side}.parquet")
        if self.index == "none":
            return
        for name, value in (("biases", 1.0), ("heights", 0.0)):
            if name in points:
                items = torch.cat([items, points[name]], 1)
                users = nn.functional.pad(users, (0, 1), value=value)
        listed = None if hidden is None else (~hidden).nonzero().flatten().cpu()
        rows = items if listed is None else items[listed]
        index = build_index(rows, self.index, factors, users, listed)
        write_whole(new / "items.faiss", find_faiss().serialize_index(index).tobytes())


def _legend(n: int, side: str, catalogue: Any) -> dict[str, Any]:
    """Columns that say whose rows they are."""
    rows = torch.arange(n)
    ids = catalogue.user_ids if side == "users" else catalogue.item_ids
    columns: dict[str, Any] = {"row": rows.numpy(), "id": own_ids(ids, rows)}
    if side == "items" and catalogue.item_names:
        columns["name"] = list(catalogue.item_names)
    return columns
