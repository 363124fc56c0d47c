import subprocess
import sys
from pathlib import Path
from typing import Any

import polars
import pytest
import torch
from torch import Tensor
from typing_extensions import override

from callbacks.adaptation import label_table as module_under_test
from callbacks.adaptation.label_table import LabelTable, label_table
from callbacks.predictions.prediction_table import write_table
from datamodules import Digits
from lightning_modules import Classifier, ConvClassifier
from lightning_modules.core.alternating import evaluating
from tests.support.adapting import NAMES, Herds, Shepherd, SparseHerds, trainer

ROWS = range(40, 0, -1)


def read(path: Path) -> polars.DataFrame:
    if path.suffix == ".csv":
        return polars.read_csv(path)
    return polars.read_parquet(path)


def predict(directory: Path, module: Any, data: Any, format: Any = "csv") -> None:
    run = trainer(LabelTable(format), default_root_dir=directory)
    run.predict(module, datamodule=data, return_predictions=False)


def probabilities(module: Shepherd, data: Herds) -> Tensor:
    data.setup()
    with torch.no_grad(), evaluating(module):
        p: Tensor = module(data.domains.target_test.x).softmax(1)
    return p


@pytest.mark.parametrize("data", [Herds, SparseHerds])
@pytest.mark.parametrize("format", ["csv", "parquet"])
@pytest.mark.parametrize("batch_size", [7, 40])
def test_the_table_holds_what_is_predicted_for_every_row_in_order(
    data: type[Herds], format: str, batch_size: int, tmp_path: Path
) -> None:
    module, herds = Shepherd(), data(batch_size=batch_size)
    predict(tmp_path, module, herds, format)
    table = read(tmp_path / "predictions" / f"labels.{format}")
    p = probabilities(module, herds)
    assert table.columns == ["row", "label", *(f"p_{name}" for name in NAMES)]
    assert table["row"].to_list() == list(range(40))
    assert table["label"].to_list() == [NAMES[i] for i in p.argmax(1)]
    found = table.select(polars.exclude("row", "label")).to_torch().float()
    torch.testing.assert_close(found, p, rtol=1e-6, atol=1e-8)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [
        f"labels.{format}"
    ]


def test_what_the_data_knows_of_its_rows_comes_before_the_labels(
    tmp_path: Path,
) -> None:
    class Named(Herds):
        @property
        def row_columns(self) -> dict[str, list[int | str]]:
            return {"row": list(range(400, 440)), "file": [f"{i}.png" for i in ROWS]}

    predict(tmp_path, Shepherd(), Named())
    table = read(tmp_path / "predictions/labels.csv")
    assert table.columns[:3] == ["row", "file", "label"]
    assert table["row"].to_list() == list(range(400, 440))
    assert table["file"].to_list() == [f"{i}.png" for i in ROWS]


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("-1", "3", "12"), polars.Int64),
        (("3", "cat", "12"), polars.String),
    ],
)
def test_labels_are_of_one_kind_in_both_formats(
    names: tuple[str, str, str], kind: Any, tmp_path: Path
) -> None:
    class Numbered(Herds):
        class_names = names

    for format in ("csv", "parquet"):
        predict(tmp_path / format, Shepherd(), Numbered(), format)
        table = read(tmp_path / format / f"predictions/labels.{format}")
        assert table["label"].dtype == kind
        assert {str(label) for label in table["label"]} <= set(names)


def test_an_earlier_table_is_kept(tmp_path: Path) -> None:
    for seed in (0, 1):
        predict(tmp_path, Shepherd(seed), Herds())
    names = ["predictions", "predictions-1"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    first, second = ((tmp_path / n / "labels.csv").read_text() for n in names)
    assert first != second


def test_a_prediction_that_failed_leaves_the_next_one_nothing(tmp_path: Path) -> None:
    class Fails(Shepherd):
        def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
            if batch_idx:
                raise InterruptedError
            return torch.ones(len(batch[0]), 3)

    run = trainer(LabelTable(), default_root_dir=tmp_path)
    data = Herds()
    with pytest.raises(InterruptedError):
        run.predict(Fails(), datamodule=data, return_predictions=False)
    run.predict(Shepherd(), datamodule=data, return_predictions=False)
    p = probabilities(Shepherd(), data)
    table = read(tmp_path / "predictions" / "labels.csv")
    found = table.select(polars.exclude("row", "label")).to_torch().float()
    torch.testing.assert_close(found, p, rtol=1e-6, atol=1e-8)


def test_a_table_that_fails_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Breaks:
        def write_csv(self, file: Any) -> None:
            file.write(b"row,la")
            raise InterruptedError

    monkeypatch.setattr(module_under_test, "label_table", lambda *_: Breaks())
    with pytest.raises(InterruptedError):
        predict(tmp_path, Shepherd(), Herds())
    assert not list(tmp_path.rglob("labels*"))
    assert not (tmp_path / "predictions").exists()
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    predict(tmp_path, Shepherd(), Herds())
    assert [path.name for path in tmp_path.iterdir()] == ["predictions"]


TWO_PROCESSES = """
from callbacks.adaptation.label_table import LabelTable
from tests.support.adapting import Herds, Shepherd, trainer

observers = LabelTable("csv"), LabelTable("parquet")
run = trainer(*observers, devices=2, strategy="ddp_fork")
data = Herds(n_target=39, batch_size=19)
run.predict(Shepherd(), datamodule=data, return_predictions=False)
"""


@pytest.mark.long("starts a process that forks")
def test_two_processes_write_each_row_once_and_in_order(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process of its own: polars, which tests here have used, survives no fork.

    Of 39 rows one is left after a joint batch of 19 + 19, and both processes take it.
    """
    monkeypatch.setenv("PYTHONPATH", str(repository))
    command = [sys.executable, "-c", TWO_PROCESSES]
    subprocess.run(command, check=True, cwd=tmp_path, timeout=200)
    p = probabilities(Shepherd(), Herds(n_target=39))
    for place, format in (("predictions", "csv"), ("predictions-1", "parquet")):
        table = read(tmp_path / place / f"labels.{format}")
        assert table["row"].to_list() == list(range(39))
        assert table["label"].to_list() == [NAMES[i] for i in p.argmax(1)]
    assert sorted(one.name for one in tmp_path.iterdir()) == [
        "predictions",
        "predictions-1",
    ]


def test_a_smoke_run_writes_nothing(tmp_path: Path) -> None:
    run = trainer(LabelTable(), default_root_dir=tmp_path, fast_dev_run=1)
    run.predict(Shepherd(), datamodule=Herds(), return_predictions=False)
    assert list(tmp_path.iterdir()) == []


# Mistakes ---------------------------------------------------------------------------


def test_data_that_is_not_two_domains_is_refused(tmp_path: Path) -> None:
    model = Classifier(ConvClassifier((1, 8, 8)))
    with pytest.raises(ValueError, match=r"LabelTable needs data of two .*\(Digits\)"):
        predict(tmp_path, model, Digits())


class Returns(Shepherd):
    def __init__(self, outputs: Any) -> None:
        super().__init__()
        self.outputs = outputs

    @override
    def predict_step(self, batch: Any, batch_idx: int) -> Any:
        return self.outputs


@pytest.mark.parametrize(
    ("outputs", "sentence"),
    [
        (torch.zeros(8, 2), r"probabilities of shape \(8, 3\) for them, which Returns"),
        ({"p": 1}, r"probabilities of shape \(8, 3\) for them, which Returns"),
        (torch.full((8, 3), torch.nan), "Predicted probabilities hold NaN"),
    ],
)
def test_predictions_that_are_no_probabilities_are_refused(
    outputs: Any, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=sentence):
        predict(tmp_path, Returns(outputs), Herds())


def test_batches_without_row_numbers_are_refused(tmp_path: Path) -> None:
    class Unnumbered(Herds):
        def predict_dataloader(self) -> Any:
            return self.val_dataloader()[1]

    with pytest.raises(ValueError, match="needs predict batches"):
        predict(tmp_path, Returns(torch.zeros(8, 3)), Unnumbered())


def test_other_formats_are_refused() -> None:
    with pytest.raises(
        ValueError, match="format must be one of csv, parquet, got 'xlsx'"
    ):
        LabelTable("xlsx")  # type: ignore[arg-type]


def test_names_that_are_not_utf_8_are_written_by_their_bytes(tmp_path: Path) -> None:
    names, files = ["caf\udce9", "mug"], {"file": ["n\udce9.png"]}
    table = label_table(torch.tensor([0]), torch.tensor([[0.75, 0.25]]), names, files)
    assert table.columns[-2:] == [r"p_caf\xe9", "p_mug"]
    assert table.rows()[0][:3] == (0, r"n\xe9.png", r"caf\xe9")
    write_table(table, tmp_path / "labels.csv")
