"""Two halves of the digits of scikit-learn, one blurred and moved."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from torch import Tensor
from torchvision.transforms.v2.functional import gaussian_blur

from datamodules.adaptation.digits_shift import DigitsShift, disturbed
from tests.support.dense_domains import Labelled, Parts, batches, equal, parts

LABEL_OF = {
    tuple(row): int(label)
    for row, label in zip(*load_digits(return_X_y=True), strict=True)
}


def read(**options: Any) -> Parts:
    return parts(DigitsShift(**options))


def ink(x: Tensor) -> list[tuple[float, ...]]:
    """Rows as scikit-learn holds them."""
    return [tuple(row) for row in ((x + 1) * 8).round().flatten(1).tolist()]


def test_undisturbed_both_domains_together_are_all_digits_with_no_row_twice() -> None:
    found = read(blur=0.0, right=0)
    parts = (found.source.x, found.source_val.x, found.target, found.target_test.x)
    assert [len(part) for part in parts] == [699, 200, 500, 398]
    rows = [row for part in parts for row in ink(part)]
    assert len(set(rows)) == len(rows)
    assert set(rows) == set(LABEL_OF)


def test_labels_stay_with_their_digits() -> None:
    found = read(blur=0.0, right=0)
    for rows in (found.source, found.source_val, found.target_test):
        assert [LABEL_OF[row] for row in ink(rows.x)] == rows.y.tolist()


def test_the_target_is_the_undisturbed_target_blurred_and_moved() -> None:
    plain, found = read(blur=0.0, right=0), read(blur=0.7, right=2, down=1)
    for clean, seen in (
        (plain.target, found.target),
        (plain.target_test.x, found.target_test.x),
    ):
        expected = disturbed((clean + 1) * 8, 0.7, 2, 1) / 8 - 1
        assert torch.allclose(seen, expected, atol=1e-5)
    assert torch.equal(plain.source.x, found.source.x)
    assert torch.equal(plain.source_val.x, found.source_val.x)


@given(
    blur=st.floats(0.2, 3.0),
    pixels=st.lists(st.floats(0, 16, width=32), min_size=128, max_size=128),
)
def test_the_blur_is_that_of_torchvision_on_a_wide_black_border(
    blur: float, pixels: list[float]
) -> None:
    x = torch.tensor(pixels, dtype=torch.float64).view(2, 1, 8, 8)
    radius = int(4 * blur + 0.5)
    padded = torch.nn.functional.pad(x, [radius] * 4)
    wide = gaussian_blur(padded, [2 * radius + 1] * 2, [blur, blur])
    expected = wide[..., radius : radius + 8, radius : radius + 8]
    assert torch.allclose(disturbed(x, blur, 0, 0), expected, atol=1e-6)


@pytest.mark.parametrize(("right", "down"), [(0, 0), (1, 0), (0, 3), (7, 2)])
def test_a_move_brings_in_black_and_loses_what_leaves(right: int, down: int) -> None:
    x = 1 + torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    moved = disturbed(x, 0.0, right, down)
    for row in range(8):
        for column in range(8):
            inside = row >= down and column >= right
            there = x[:, 0, row - down, column - right]
            expected = there if inside else torch.zeros(2)
            assert torch.equal(moved[:, 0, row, column], expected)


def test_pixels_lie_between_minus_one_and_one_and_are_not_inverted() -> None:
    found = read()
    for x in (found.source.x, found.target, found.target_test.x):
        assert x.dtype == torch.float32
        assert x.shape[1:] == (1, 8, 8)
        assert x.min() >= -1
        assert x.max() <= 1
        assert x.mean() < 0  # more paper than ink
    assert (found.target[..., 0] == -1).all()


def test_which_rows_are_where_does_not_depend_on_the_seed() -> None:
    first, second = read(seed=0), read(seed=1)
    assert torch.equal(first.target, second.target)
    for name in ("source", "source_val", "target_test"):
        one, other = getattr(first, name), getattr(second, name)
        assert torch.equal(one.x, other.x)
        assert torch.equal(one.y, other.y)


def test_batches_do_not_depend_on_the_number_of_workers_but_on_the_seed() -> None:
    alone = batches(DigitsShift(), epochs=2)
    assert equal(alone, batches(DigitsShift(num_workers=2), epochs=2))
    assert not equal(alone, batches(DigitsShift(seed=1), epochs=2))


def test_every_part_holds_every_class() -> None:
    found = read()
    for rows in (found.source, found.source_val, found.target_test):
        assert rows.y.bincount(minlength=10).min() >= 10


def test_more_rows_for_evaluation_are_taken_from_the_same_domain() -> None:
    few, many = read(n_val=100, n_test=98), read(n_val=300, n_test=598)
    assert [len(few.source.y), len(few.target)] == [799, 800]
    assert [len(many.source.y), len(many.target)] == [599, 300]
    for name, test in (("source", "source_val"), ("target", "target_test")):
        joined = [whole(getattr(d, name), getattr(d, test)) for d in (few, many)]
        assert torch.equal(*joined)


def whole(train: Tensor | Labelled, test: Labelled) -> Tensor:
    x = train if isinstance(train, Tensor) else train.x
    return torch.cat([x, test.x])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("blur", -0.5),
        ("blur", 8.0),
        ("right", -1),
        ("down", 8),
        ("n_val", 0),
        ("n_val", 899),
        ("n_test", 0),
        ("n_test", 898),
    ],
)
def test_numbers_out_of_range_are_refused_by_their_key(key: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"data\.{key} must be .*, got '?{value}"):
        DigitsShift(**{key: value})  # type: ignore[arg-type]
