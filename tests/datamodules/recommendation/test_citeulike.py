"""The files of CiteULike, in which the first number of a line is a count."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from datamodules.readers.tables.citeulike_lines import read_counted
from datamodules.recommendation.citeulike import split_60_20_20
from lightning_modules.data_contracts.sparse_rows import SparseRows
from tests.support.pair_files import of_user, pairs, read_citeulike, write_citeulike


def test_the_first_number_of_a_line_is_no_item(tmp_path: Path) -> None:
    write_citeulike(tmp_path)
    data = read_citeulike(tmp_path)
    expected = {(1, item) for item in range(6)} | {(3, item) for item in range(1, 6)}
    assert pairs(data) == expected
    assert (data.n_users, data.n_items) == (2, 6)
    assert [len(part) for part in of_user(data, 1)] == [3, 1, 2]
    assert [len(part) for part in of_user(data, 3)] == [3, 1, 1]


def test_parts_are_rounded_as_in_the_code_of_the_paper() -> None:
    n_val, n_test = split_60_20_20(np.arange(10_000))
    for n in range(10_000):
        train, val = int(0.6 * n), int(0.2 * n)
        assert (n_val[n], n_test[n]) == (val, n - train - val)


def test_articles_that_nobody_has_are_counted_whatever_the_features(
    tmp_path: Path,
) -> None:
    write_citeulike(tmp_path, mult_dat=("1 0:2",) * 9)
    assert read_citeulike(tmp_path).n_items == 9
    assert read_citeulike(tmp_path, features="words").n_items == 9


@pytest.mark.parametrize("by", ["item__tag_dat", "tag__item_dat"])
def test_tags_come_from_a_line_for_each_article_or_for_each_tag(
    tmp_path: Path, by: str
) -> None:
    of_item = ("1 0", "2 1 0", "0", "0", "0", "1 1")
    of_tag = ("2 0 1", "2 1 5", "1 2")
    names = ("green", "blue", "rare")
    write_citeulike(
        tmp_path,
        tags_dat=names,
        **{by: of_item if by.startswith("item") else of_tag},
    )
    data = read_citeulike(tmp_path, features="tags", tag_items=2, weights="binary")
    found = data.catalogue.features
    assert isinstance(found, SparseRows)
    assert data.catalogue.feature_names == ["green", "blue"]
    expected = [[1, 0], [1, 1], [0, 0], [0, 0], [0, 0], [0, 1]]
    assert found.to_dense().tolist() == expected


def test_tags_and_words_stand_side_by_side(tmp_path: Path) -> None:
    words = ("1 0:3", "2 0:1 2:1", "0", "0", "0", "1 2:7")
    write_citeulike(
        tmp_path,
        mult_dat=words,
        tag__item_dat=("1 3",),
        vocabulary_dat=("see", "unused", "sea"),
    )
    data = read_citeulike(tmp_path, features="tags_words", tag_items=1)
    found = data.catalogue.features
    assert isinstance(found, SparseRows)
    assert data.catalogue.feature_names == ["0", "see", "sea"]
    lengths = found.to_dense().norm(dim=1)
    expected = torch.tensor([1.0, 1.0, 0.0, 1.0, 0.0, 1.0])
    torch.testing.assert_close(lengths, expected)


@pytest.mark.parametrize("users", [("",), ("1 4", "2 0 1")])
def test_too_few_items_for_everybody_are_refused(
    tmp_path: Path, users: tuple[str, ...]
) -> None:
    write_citeulike(tmp_path, users_dat=users)
    with pytest.raises(ValueError, match=r"data.min_items: no user in .* has 5"):
        read_citeulike(tmp_path)


def test_no_tag_on_enough_articles_is_refused(tmp_path: Path) -> None:
    write_citeulike(tmp_path, tag__item_dat=("1 0", "1 1"))
    with pytest.raises(ValueError, match=r"data.tag_items: what is .* is empty"):
        read_citeulike(tmp_path, features="tags")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"features": "all"}, "data.features must be one of none, tags, words"),
        ({"weights": "all"}, "data.weights must be one of tf_idf, binary"),
        ({"tag_items": 0}, "data.tag_items must be .* got 0"),
        ({"features": "words"}, "mult.dat does not exist; put the files of"),
        ({"features": "tags"}, "tag-item.dat does not exist .or item-tag.dat.; put"),
    ],
)
def test_what_is_not_there_is_named(
    tmp_path: Path, options: dict[str, Any], says: str
) -> None:
    write_citeulike(tmp_path)
    with pytest.raises((ValueError, FileNotFoundError), match=says):
        read_citeulike(tmp_path, **options)


@pytest.mark.data
def test_citeulike_t_has_the_pairs_of_a_clean_reading(real_data: Path) -> None:
    root = real_data / "citeulike-t"
    lines = read_counted(root / "users.dat")
    counts = np.bincount(lines.lines)
    assert (len(counts), len(lines.entries)) == (7_947, 134_860)
    assert len(set(lines.entries.tolist())) == 25_584
    assert (counts < 5).sum() == 2_728
    data = read_citeulike(root)
    assert (data.n_users, data.n_items) == (7_947 - 2_728, 25_975)
    assert len(pairs(data)) == counts[counts >= 5].sum()
    raw = (root / "users.dat").read_text().splitlines()
    for user in (0, 100, 7_946):
        items = [int(word) for word in raw[user].split()[1:]]
        if len(items) >= 5:
            parts = of_user(data, user)
            assert set().union(*parts) == set(items)
            assert len(parts[0]) == int(0.6 * len(items))


@pytest.mark.data
def test_tags_of_citeulike_t_are_those_of_the_file(real_data: Path) -> None:
    root = real_data / "citeulike-t"
    data = read_citeulike(root, features="tags_words", tag_items=10, weights="binary")
    found = data.catalogue.features
    assert isinstance(found, SparseRows)
    rows = [
        line.split()[1:] for line in (root / "tag-item.dat").read_text().split("\n")
    ]
    often = [number for number, row in enumerate(rows) if len(set(row)) >= 10]
    n_words = len((root / "vocabulary.dat").read_text().splitlines())
    assert found.shape == (25_975, len(often) + n_words)
    tag = found.columns == 3
    holders = torch.searchsorted(found.starts, tag.nonzero().flatten(), right=True) - 1
    assert set(holders.tolist()) == {int(item) for item in rows[often[3]]}
