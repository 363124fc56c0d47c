"""Text in the format svmlight: its lines, and columns that count from 0 or from 1."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.readers.features.files import read_features, read_together
from tests.support.feature_sets import (
    X,
    Y,
    counts,
    same,
    write,
)


def test_rows_without_entries_are_rows(tmp_path: Path) -> None:
    (tmp_path / "few.svm").write_text("1\n-1 0:2 2:1\n1\n")
    x = np.array([[0, 0, 0], [2, 0, 1], [0, 0, 0]])
    assert same(read_features(tmp_path / "few.svm"), x, np.array([1, -1, 1]))


def test_an_infinite_number_in_text_is_found_in_its_row(tmp_path: Path) -> None:
    (tmp_path / "few.svm").write_text("1 0:1\n1\n1 0:2 3:inf\n")
    with pytest.raises(ValueError, match="infinite feature in row 3 of 3"):
        read_features(tmp_path / "few.svm")


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_text_without_lines_is_empty(tmp_path: Path, text: str) -> None:
    (tmp_path / "few.svm").write_text(text)
    with pytest.raises(ValueError, match=r"few\.svm: features is empty"):
        read_features(tmp_path / "few.svm")


def test_text_need_not_end_its_last_line(tmp_path: Path) -> None:
    path = write(tmp_path / "few.svm", X, Y)
    path.write_bytes(path.read_bytes().rstrip())
    assert same(read_features(path))


@pytest.mark.parametrize("cut", [" 0", " 0:", " 0:.", " :"])
def test_a_last_line_that_is_cut_off_is_damage(tmp_path: Path, cut: str) -> None:
    (tmp_path / "few.svm").write_text(f"1 0:1\n1{cut}")
    with pytest.raises(ValueError, match=r"few\.svm is cut off, damaged"):
        read_features(tmp_path / "few.svm")


@pytest.mark.parametrize("line", ["0:1 2:3", "cat 0:1", "1,2 0:4"])
def test_lines_without_a_number_as_label_are_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "few.svm").write_text(f"# x\n1 0:1\n{line}\n")
    word = line.split()[0]
    with pytest.raises(
        ValueError, match=rf"few\.svm has '{word}' in place of a label in line 3; begin"
    ):
        read_features(tmp_path / "few.svm")


@given(seed=st.integers(0, 10**6), first=st.booleans())
def test_columns_may_count_from_0_or_from_1(
    tmp_path_factory: pytest.TempPathFactory, seed: int, first: bool
) -> None:
    x, path = counts(5, 6, seed), tmp_path_factory.mktemp("rows") / "few.svm"
    lines = (" ".join(f"{j + first}:{v}" for j, v in enumerate(row) if v) for row in x)
    path.write_text("".join(f"{y} {line}\n" for y, line in enumerate(lines)))
    assert same(read_features(path), x, np.arange(5))
    assert same(read_features(path, zero_based=not first), x, np.arange(5))


def test_files_that_belong_together_count_columns_alike(tmp_path: Path) -> None:
    narrow = X.copy()
    narrow[:, [0, 3]] = 0
    paths = {
        "source": write(tmp_path / "narrow.svm", narrow, Y),
        "target": write(tmp_path / "wide.svm", X, Y),
    }
    found = read_together(paths)
    assert same(found["source"], narrow)
    assert same(found["target"])
    assert found["source"].x.shape == found["target"].x.shape == (7, 4)


def numbered_from_1(path: Path, x: np.ndarray) -> Path:
    lines = (" ".join(f"{j + 1}:{v}" for j, v in enumerate(row) if v) for row in x)
    path.write_text("".join(f"1 {line}\n" for line in lines))
    return path


def test_files_that_may_count_columns_differently_need_a_word(tmp_path: Path) -> None:
    paths = {
        "source": write(tmp_path / "from_0.svm", X, Y),
        "target": numbered_from_1(tmp_path / "from_1.svm", X),
    }
    with pytest.raises(
        ValueError,
        match=r"^data\.zero_based must .*source: .*from_0\.svm has a column 0, and "
        r"data\.target: .*from_1\.svm has none but a column 4 beyond",
    ):
        read_together(paths)
    shifted = np.pad(X, ((0, 0), (1, 0)))
    found = read_together(paths, zero_based=True)
    assert same(found["target"], shifted, np.ones(7))
    with pytest.raises(ValueError, match=r"source: .*from_0\.svm has a column 0 where"):
        read_together(paths, zero_based=False)


def test_text_beside_another_format_says_where_columns_begin(tmp_path: Path) -> None:
    narrow = X.copy()
    narrow[:, 0] = 0
    paths = {
        "source": write(tmp_path / "narrow.svm", narrow, Y),
        "target": write(tmp_path / "other.mat", X, Y),
    }
    with pytest.raises(
        ValueError, match=r"^data\.zero_based: columns .* true or false"
    ):
        read_together(paths)
    assert same(read_together(paths, zero_based=True)["source"], narrow)


@pytest.mark.parametrize(("width", "zero_based"), [(3, True), (4, False), (2, False)])
def test_columns_outside_the_width_are_refused(
    tmp_path: Path, width: int, zero_based: bool
) -> None:
    path = write(tmp_path / "few.svm", X, Y)
    with pytest.raises(
        ValueError, match=rf"few\.svm has a column \d.* {width} columns"
    ):
        read_features(path, width, zero_based=zero_based)
