"""Pairs in the files of LightGCN's repositories."""

from pathlib import Path
from typing import Any

import pytest

from datamodules import SplitFiles
from datamodules.recommendation.base import InteractionData
from datamodules.recommendation.split_files import read_lines
from tests.support.pair_files import ready, written

TRAIN = ["0 1 2 3", "2 0 4", "3"]


def split(path: Path, files: dict[str, list[str]], **options: Any) -> InteractionData:
    for name, lines in files.items():
        written(path / f"{name}.txt", *lines)
    return ready(SplitFiles(str(path), **options))


def pairs(data: InteractionData, part: str) -> set[tuple[int, int]]:
    found = data.interactions(part)
    return set(zip(found.users.tolist(), found.items.tolist(), strict=True))


def test_a_line_is_a_user_and_items(tmp_path: Path) -> None:
    files = {"train": TRAIN, "valid": ["0 5"], "test": ["", "2 6 1"]}
    data = split(tmp_path, files)
    assert pairs(data, "train") == {(0, 1), (0, 2), (0, 3), (2, 0), (2, 4)}
    assert pairs(data, "val") == {(0, 5)}
    assert pairs(data, "test") == {(2, 6), (2, 1)}
    assert (data.n_users, data.n_items) == (3, 7)


def test_without_a_file_for_validation_some_training_items_are_taken(
    tmp_path: Path,
) -> None:
    sizes = {0: 1, 1: 4, 3: 20}
    lines = [" ".join(map(str, (user, *range(n)))) for user, n in sizes.items()]
    files = {"train": lines, "test": ["1 30"]}
    data, again, other, none = (
        split(tmp_path, files, val_share=share, split_seed=seed)
        for share, seed in ((0.25, 0), (0.25, 0), (0.25, 1), (0, 0))
    )
    train, val = pairs(data, "train"), pairs(data, "val")
    assert train | val == {(user, i) for user, n in sizes.items() for i in range(n)}
    assert not train & val
    assert [sum(u == user for u, _ in val) for user in sizes] == [0, 1, 5]
    assert pairs(again, "val") == val
    assert pairs(other, "val") != val
    assert not pairs(none, "val")


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"train": TRAIN}, "test.txt does not exist; put train.txt, test.txt and"),
        (
            {"train": TRAIN, "valid": ["0 2"], "test": ["2 1"]},
            "1 pairs of the val part are in the train part too, such as user 0 and "
            "item 2",
        ),
        (
            {"train": ["0 1 x"], "test": ["2 1"]},
            "line 1 of .*train.txt is not whole numbers",
        ),
        ({"train": ["0 -1"], "test": ["2 1"]}, "has the negative number -1"),
        ({"train": TRAIN, "test": [""]}, "test.txt holds no pair"),
        (
            {"train": ["31 6000000000"], "test": ["2 1"]},
            "the largest item is 6000000000, but there are only 2 different ones",
        ),
    ],
)
def test_what_can_not_be_used_is_told(
    files: dict[str, list[str]], says: str, tmp_path: Path
) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=says):
        split(tmp_path, files)


def test_a_byte_order_mark_and_underscores_are_no_digits(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_bytes(b"\xef\xbb\xbf3 1 2\n")
    users, items = read_lines(path)
    assert (users.tolist(), items.tolist()) == ([3, 3], [1, 2])
    path.write_bytes(b"3 1\n1_0 2\n")
    with pytest.raises(ValueError, match=r"line 2 of .*train.txt is not whole"):
        read_lines(path)
