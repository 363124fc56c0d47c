"""The three forms of the MovieLens files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from tests.support.pair_files import (
    of_user,
    pairs,
    read_movielens,
    write_1m,
    write_100k,
)


def test_a_threshold_and_times_are_used(tmp_path: Path) -> None:
    write_1m(tmp_path)
    options = {"variant": "1m", "split": "leave_one_out"}
    data = read_movielens(tmp_path, rating_threshold=3, **options)
    assert of_user(data, 1) == [{30}, {10}, {40}]
    data = read_movielens(tmp_path, features="none", **options)
    assert data.catalogue.features is None
    assert data.catalogue.named([1]) == ["2001: A Space Odyssey"]


def test_a_threshold_that_nobody_reaches_is_refused(tmp_path: Path) -> None:
    write_100k(tmp_path)
    with pytest.raises(ValueError, match=r"data.rating_threshold: no row of .*u\.data"):
        read_movielens(tmp_path, rating_threshold=6.0)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"variant": "2m"}, "data.variant must be one of 100k, 1m"),
        ({"features": "tags"}, "data.features must be one of genres, none"),
        ({"variant": "1m"}, "ratings.dat does not exist; put the files of ml-1m there"),
        ({"k_core": 0}, "data.k_core must be .* got 0"),
    ],
)
def test_what_is_not_there_is_named(
    tmp_path: Path, options: dict[str, Any], says: str
) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=says):
        read_movielens(tmp_path, **options)


@pytest.mark.data
def test_ml_100k_is_cut_as_in_the_published_table(real_data: Path) -> None:
    data = read_movielens(real_data / "ml-100k")
    assert (data.n_users, data.n_items) == (943, 1_682)
    raw = np.loadtxt(real_data / "ml-100k" / "u.data", dtype=int)
    assert pairs(data) == {(user, film) for user, film, _, _ in raw.tolist()}
    counts = np.unique(raw[:, 0], return_counts=True)[1]
    learnt = data.interactions("train").counts + data.interactions("val").counts
    assert learnt.tolist() == [round(0.75 * n) for n in counts.tolist()]
    assert data.catalogue.named([0]) == ["Toy Story (1995)"]
    assert any("Misérables" in name for name in data.catalogue.item_names)
    lines = (real_data / "ml-100k" / "u.item").read_text("latin-1").splitlines()
    genres = np.array([line.split("|")[6:] for line in lines], dtype=float)
    written_names = (real_data / "ml-100k" / "u.genre").read_text().splitlines()
    names = [line.split("|")[0] for line in written_names]
    order = [names.index(name) - 1 for name in data.catalogue.feature_names]
    assert isinstance(data.catalogue.features, Tensor)
    assert data.catalogue.features.tolist() == genres[:, order].tolist()


@pytest.mark.data
def test_ratings_of_four_are_the_usual_implicit_pairs(real_data: Path) -> None:
    data = read_movielens(real_data, rating_threshold=4)
    assert len(pairs(data)) == 55_375


@pytest.mark.data
def test_films_left_out_last_are_the_newest_of_each_user(real_data: Path) -> None:
    data = read_movielens(real_data, split="leave_one_out")
    raw = np.loadtxt(real_data / "ml-100k" / "u.data", dtype=int)
    when = {(user, film): time for user, film, _, time in raw.tolist()}
    last = {user: max(raw[raw[:, 0] == user, 3]) for user in range(1, 944)}
    for pair in pairs(data, "test"):
        assert when[pair] == last[pair[0]]
