"""Where a learnt metric puts rows is written down with the rows' numbers."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest
import torch
from sklearn.datasets import load_wine
from torch import Tensor
from typing_extensions import override

from callbacks.metric_learning.point_table import PointTable
from datamodules import LabelledTable
from lightning_modules import LinearMap, MetricLearner
from tests.support.shop import Shop, placed, read, trainer
from wasserstein_critics.cli import app


def learner() -> MetricLearner:
    torch.manual_seed(0)
    model = MetricLearner(LinearMap((13,), 3))
    torch.nn.init.normal_(model.network.weight)  # type: ignore[arg-type]
    return model


def predict(directory: Path, module: Any, data: Any, format: Any = "parquet") -> None:
    run = trainer(PointTable(format), default_root_dir=directory)
    run.predict(module, datamodule=data, return_predictions=False)


def found(path: Path) -> tuple[Tensor, Tensor]:
    """Row numbers and points."""
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            assert arrays["points"].dtype == np.float32
            return torch.tensor(arrays["rows"]), torch.tensor(arrays["points"])
    table = read(path)
    assert table.columns == ["row", "z_0", "z_1", "z_2"]
    points = table.select(polars.exclude("row")).to_torch().float()
    return torch.tensor(table["row"].to_list()), points


@pytest.mark.parametrize("format", ["csv", "parquet", "npz"])
def test_every_row_is_where_the_network_puts_it(format: str, tmp_path: Path) -> None:
    data = LabelledTable("wine", normalise="none", batch_size=7)
    predict(tmp_path, learner(), data, format)
    rows, points = found(tmp_path / "predictions" / f"points.{format}")
    assert rows.tolist() == sorted(data.test_rows.tolist())
    wine = torch.from_numpy(load_wine().data).float()
    torch.testing.assert_close(points, learner()(wine[rows]), rtol=1e-5, atol=1e-3)
    names = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert names == [f"points.{format}"]


TWO_PROCESSES = """
from callbacks.metric_learning.point_table import PointTable
from datamodules import LabelledTable
from tests.support.shop import trainer
from tests.callbacks.metric_learning.test_point_table import learner

run = trainer(PointTable(), devices=2, strategy="ddp_fork")
data = LabelledTable("wine", batch_size=5)
run.predict(learner(), datamodule=data, return_predictions=False)
"""


@pytest.mark.long("starts a process that forks")
def test_two_processes_write_what_one_writes(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(repository))
    command = [sys.executable, "-c", TWO_PROCESSES]
    subprocess.run(command, check=True, cwd=tmp_path, timeout=200)
    predict(tmp_path / "one", learner(), LabelledTable("wine", batch_size=5))
    places = (tmp_path / "one", tmp_path)
    one, two = (found(place / "predictions/points.parquet") for place in places)
    assert torch.equal(one[0], two[0])
    torch.testing.assert_close(one[1], two[1])


def test_predict_from_the_command_line_writes_the_points(
    repository: Path, tmp_path: Path
) -> None:
    config = repository / "configs/metric_learner/wine.yaml"
    words = ["--config", str(config), "--trainer.default_root_dir", str(tmp_path)]
    assert app.main(["predict", *words, "--trainer.logger", "false"]) == 0
    table = read(tmp_path / "version_0/predictions/points.parquet")
    assert table.columns == ["row", *(f"z_{i}" for i in range(13))]
    assert len(table) == 36


# Mistakes ---------------------------------------------------------------------------


class Returns(MetricLearner):
    def __init__(self, outputs: Any) -> None:
        super().__init__(LinearMap((13,)))
        self.outputs = outputs

    @override
    def predict_step(self, batch: Any, batch_idx: int) -> Any:
        return self.outputs


@pytest.mark.parametrize(
    ("outputs", "says"),
    [
        (torch.zeros(8, 3), r"points \(n, d\) for them, which Returns"),
        (torch.zeros(7), r"points \(n, d\) for them, which Returns"),
        ({"z": 1}, r"points \(n, d\) for them, which Returns"),
        (torch.full((7, 3), torch.nan), "Predicted points hold NaN"),
    ],
)
def test_what_is_no_points_is_refused(outputs: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=says):
        predict(tmp_path, Returns(outputs), LabelledTable("wine", batch_size=7))


def test_batches_without_row_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="which CML with this data doesn't give"):
        predict(tmp_path, placed(), Shop())


def test_other_formats_are_refused() -> None:
    with pytest.raises(ValueError, match="one of csv, parquet, npz, got 'xlsx'"):
        PointTable("xlsx")  # type: ignore[arg-type]
