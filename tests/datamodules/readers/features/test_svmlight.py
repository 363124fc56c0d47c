"""Lines of text in the format svmlight."""

from pathlib import Path

import numpy as np
import pytest

from datamodules.readers.features.files import read_features
from tests.support.feature_sets import (
    X,
    Y,
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
