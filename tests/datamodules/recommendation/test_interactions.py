"""Pairs of one's own: what is read, what is cut, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datamodules.recommendation.catalogue import Catalogue
from tests.support.pair_files import (
    interactions,
    pairs,
    written,
)


def test_ids_that_are_not_numbers_are_kept_as_they_are_written(tmp_path: Path) -> None:
    path = written(tmp_path / "own.csv", "user,item", "Zoë,1", "12,2", "Zoë,2", "Zoë,3")
    data = interactions(path, test_share=0.4)
    assert pairs(data) == {("Zoë", 1), ("12", 2), ("Zoë", 2), ("Zoë", 3)}
    assert data.catalogue.user_rows(["Zoë"], 2).tolist() == [1]


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("u,i\n1,2\n", {}, r"data.path: .*own.csv has no column 'user', but u, i; did you"),
    ("user,item\n-1,2\n", {}, r"the 'user' of row 1 is negative \(-1\)"),
    ("user,item\n1,2\n1,\n", {}, "the 'item' of row 2 is missing, as are 1 in all"),
    ("", {}, "data.path: .*own.csv is empty"),
    ("user,item\n", {}, "own.csv has no row"),
    ("user,item\n1,2\n3,4,5\n", {}, "own.csv is not a valid text table .found more"),
    ("user,item\n1,2\n", {"item_column": "user"}, "are not all different"),
    ("user,item\n1,2\n", {}, "data.split leaves no test pair of the 1 in .*own.csv"),
    ("user,item\n1,2\n", {"k_core": 2}, "data.k_core: no user and item of .*own.csv"),
    (
        "user,item,r\n1,2,3\n1,3,good\n",
        {"rating_column": "r", "rating_threshold": 1},
        r"the 'r' of row 2 is not a number \('good'\)",
    ),
    (
        "user,item,r\n1,2,3\n",
        {"rating_column": "r", "rating_threshold": 4},
        "data.rating_threshold: no row of .* has a 'r' of 4 or more; lower it",
    ),
    (
        "user,item,r\n1,2,0\n1,,3\n",
        {"rating_column": "r", "rating_threshold": 1},
        "the 'item' of row 2 is missing",
    ),
    (
        "user,item,t\n1,2,noon\n",
        {"time_column": "t", "split": "time"},
        r"the 't' of row 1 is not a time",
    ),
    (
        "user,item,t\n1,2,5\n1,3,5\n2,2,5\n",
        {"time_column": "t", "split": "time"},
        "data.split leaves no training pair of the 3",
    ),
]


@pytest.mark.parametrize(("text", "options", "says"), WRONG)
def test_a_file_that_makes_no_pairs_is_refused_in_a_sentence(
    tmp_path: Path, text: str, options: dict[str, Any], says: str
) -> None:
    path = tmp_path / "own.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=says) as error:
        interactions(path, **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"k_core": 0}, "data.k_core must be .* got 0"),
        ({"split": "half"}, "data.split must be one of ratio, leave_one_out"),
        ({"split": "time"}, "data.split: time needs data.time_column"),
        ({"val_share": -0.1}, r"data.val_share must be in \[0, 1\)"),
        ({"test_share": 0.0}, r"data.test_share must be in \(0, 1\)"),
        ({"val_share": 0.5, "test_share": 0.5}, "leave no pair to train on"),
        ({"rating_column": "r"}, "data.rating_threshold belong together"),
        ({"normalise": "l2"}, "name it in data.features"),
        ({"path": "nowhere.csv"}, "data.path: nowhere.csv does not exist"),
    ],
)
def test_arguments_that_make_no_data_are_refused(
    options: dict[str, Any], says: str
) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=says):
        interactions(**({"path": "own.csv"} | options))


def test_an_id_is_the_one_that_is_written_so() -> None:
    known = Catalogue(np.array(["007", "07", "8"]))
    with pytest.raises(ValueError, match="there is no user '7' in the data; ids look"):
        known.user_rows([7], 3)
    assert known.user_rows(["07", 8], 3).tolist() == [1, 2]
    with pytest.raises(ValueError, match=r"data.predict_users is empty"):
        known.user_rows([], 3)
