"""Features in the named columns of tables."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from datamodules import DomainFeatures, LabelledTable
from datamodules.readers.features.columns import ENDINGS
from datamodules.readers.features.files import read_features, read_together

FRAME = pl.DataFrame({"a": [1, 2], "y": ["cat", "dog"], "b": [0.5, -1.0]})
X = torch.tensor([[1, 0.5], [2, -1.0]])


def write(path: Path, frame: pl.DataFrame = FRAME) -> Path:
    if path.suffix in (".parquet", ".pq"):
        frame.write_parquet(path)
    else:
        frame.write_csv(path, separator="," if path.suffix == ".csv" else "\t")
    return path


@pytest.mark.parametrize("ending", ENDINGS)
def test_all_columns_but_the_labels_are_features(tmp_path: Path, ending: str) -> None:
    file = read_features(write(tmp_path / f"few{ending}"))
    assert torch.equal(file.x, X)  # type: ignore[arg-type]
    assert file.y is not None
    assert file.y.tolist() == ["cat", "dog"]


def test_another_column_has_the_labels_if_it_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "few.csv", FRAME.rename({"y": "kind"}))
    file = read_features(path, label_column="kind")
    assert torch.equal(file.x, X)  # type: ignore[arg-type]


def test_features_are_found_by_name_in_any_order(tmp_path: Path) -> None:
    one = write(tmp_path / "one.csv")
    other = write(tmp_path / "other.parquet", FRAME.select("b", "a"))
    files = read_together({"source": one, "target": other})
    assert torch.equal(files["target"].x, X)  # type: ignore[arg-type]
    assert files["target"].y is None


ODD = [
    ("1,2\n3,4\n", None, "has numbers in its first line .1, 2.; write the names"),
    ("a,y\nx,cat\n", None, "has text in column 'a', and features are numbers"),
    ("a,y\n1,cat\n,cat\n", None, "NaN or infinite feature in row 2 of 2"),
    ("a,y\n1,cat\n2,\n", None, "has no label in row 2 of 2"),
    ("a,y\n1,0.5\n", None, "labels that are not whole numbers"),
    ("a,b\n1,2\n", "kind", "has no column 'kind', but a, b; set data.label_column"),
    ("a,a\n1,2\n", None, "has two columns named 'a'"),
    ("a,b\n", None, "has no row"),
    ("", None, "is empty"),
]


@pytest.mark.parametrize(("text", "label_column", "sentence"), ODD)
def test_an_odd_table_is_told_in_a_sentence(
    tmp_path: Path, text: str, label_column: str | None, sentence: str
) -> None:
    path = tmp_path / "few.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"data.path: .*few.csv.*{sentence}"):
        read_features(path, label_column=label_column)


def test_tables_with_other_columns_do_not_belong_together(tmp_path: Path) -> None:
    one = write(tmp_path / "one.csv")
    other = write(tmp_path / "other.csv", FRAME.rename({"b": "c"}))
    with pytest.raises(ValueError, match=r"no column 'b' and a column 'c', which"):
        read_together({"source": one, "target": other})


def test_a_column_of_labels_is_of_no_use_without_a_table(tmp_path: Path) -> None:
    path = tmp_path / "few.npy"
    np.save(path, X.numpy())
    with pytest.raises(ValueError, match=r"data.label_column is kind, but no file is"):
        read_features(path, label_column="kind")


def test_two_domains_and_a_labelled_table_are_read(tmp_path: Path) -> None:
    rows = pl.DataFrame({"kind": ["x", "z"] * 10, "a": range(20), "b": [0.0, 9.0] * 10})
    path = str(write(tmp_path / "rows.csv", rows))
    domains = DomainFeatures(path, path, label_column="kind")
    domains.setup()
    assert (domains.class_names, domains.shape) == (("x", "z"), (2,))
    table = LabelledTable(path, label_column="kind")
    table.setup()
    assert (table.num_classes, table.shape, table.short_name) == (2, (2,), "rows")
