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
from lightning_modules.core.validation import check_choice

Index = Literal["none", "flat", "hnsw", "ivf"]


class ExportTables(Callback):
    """Writes ``tables/`` into the run's directory when training ends.

    ``points.safetensors`` has ``users`` (n_users, d) and ``items`` (n_items, d),
    float32, and of factors ``biases`` (n_items, 1) too. ``users.parquet`` and
    ``items.parquet`` say whose they are: ``row``, ``id`` and, where the data has some,
    ``name``. With an index ``items.faiss`` finds the items of a user: it is searched
    with rows of ``users``, or with rows of factors and a 1 behind each. The directory
    appears when it is complete.

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
        if trainer.fast_dev_run or not trainer.is_global_zero:  # type: ignore[attr-defined]
            return
        catalogue = require_interactions(self, trainer).catalogue
        target = run_directory(trainer) / "tables"
        path = build_directory(target, lambda new: self._fill(new, points, catalogue))
        trainer.print(f"Wrote {path}")

    def _fill(self, new: Path, points: dict[str, Tensor], catalogue: Any) -> None:
        write_whole(new / "points.safetensors", save(points))
        for side in ("users", "items"):
            write_table(
                _legend(len(points[side]), side, catalogue), new / f"{side}.parquet"
            )
        if self.index == "none":
            return
        users, items, factors = points["users"], points["items"], "biases" in points
        if factors:
            items = torch.cat([items, points["biases"]], 1)
            users = nn.functional.pad(users, (0, 1), value=1.0)
        index = build_index(items, self.index, factors, users)
        write_whole(new / "items.faiss", find_faiss().serialize_index(index).tobytes())


def _legend(n: int, side: str, catalogue: Any) -> Any:
    """Whose rows they are."""
    rows = torch.arange(n)
    ids = catalogue.user_ids if side == "users" else catalogue.item_ids
    columns: dict[str, Any] = {"row": rows.numpy(), "id": own_ids(ids, rows)}
    if side == "items" and catalogue.item_names:
        columns["name"] = list(catalogue.item_names)
    return data_frame(columns)
