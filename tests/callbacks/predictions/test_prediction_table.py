"""Prediction writers keep rows, refuse broken ones and write whole tables."""

from pathlib import Path
from typing import Any

import polars
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.demos.boring_classes import BoringModel
from torch import Tensor
from torch.utils.data import DataLoader
from typing_extensions import override

from callbacks.predictions.prediction_table import PredictionTable, write_table


class Doubles(PredictionTable):
    """A table of what is predicted for the numbers of a batch."""

    stem = "doubles"

    @override
    def keep(self, pl_module: LightningModule, outputs: Any, batch: Any) -> None:
        self.keep_finite("doubles", batch, outputs)

    def table(self, numbers: Tensor, rows: Tensor) -> polars.DataFrame:
        return polars.DataFrame({"row": numbers.numpy(), "x": rows[:, 0].numpy()})


class Doubler(BoringModel):
    @override
    def predict_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        return 2.0 * batch[:, None]


def predict(folder: Path, module: LightningModule, **options: Any) -> None:
    quiet: dict[str, Any] = {
        "accelerator": "cpu",
        "logger": False,
        "enable_progress_bar": False,
    }
    run = Trainer(
        callbacks=[Doubles("csv")], default_root_dir=folder, **quiet | options
    )
    loader: Any = DataLoader(torch.arange(5), batch_size=2)  # type: ignore[arg-type]
    run.predict(module, loader, return_predictions=False)


def test_the_table_has_all_rows_and_an_earlier_one_is_kept(tmp_path: Path) -> None:
    for name in ("predictions", "predictions-1"):
        predict(tmp_path, Doubler())
        table = polars.read_csv(tmp_path / name / "doubles.csv")
        assert table["row"].to_list() == [0, 1, 2, 3, 4]
        assert table["x"].to_list() == [0.0, 2.0, 4.0, 6.0, 8.0]


def test_a_smoke_run_writes_nothing(tmp_path: Path) -> None:
    predict(tmp_path, Doubler(), fast_dev_run=1)
    assert list(tmp_path.iterdir()) == []


def test_rows_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    class Broken(Doubler):
        def predict_step(self, batch: Tensor, batch_idx: int) -> Tensor:
            return super().predict_step(batch, batch_idx) / 0

    with pytest.raises(
        ValueError, match="Predicted doubles hold NaN or infinity: pred"
    ):
        predict(tmp_path, Broken())


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_tables_are_written_by_the_end_of_their_name(tmp_path: Path, name: str) -> None:
    table = polars.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    path = write_table(table, tmp_path / name)
    read = polars.read_csv if path.suffix == ".csv" else polars.read_parquet
    assert read(path).equals(table)
    assert [file.name for file in tmp_path.iterdir()] == [name]
