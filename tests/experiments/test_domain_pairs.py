"""Pairs of domains drawn at random."""

from pathlib import Path

import numpy as np
import pytest

from experiments.domain_pairs import N_TEST, SHIFTS, Pair, draw_pair

FIRST = [draw_pair(number) for number in range(6)]


def test_a_number_decides_a_pair() -> None:
    again = draw_pair(1)
    assert np.array_equal(again.source.x, FIRST[1].source.x)
    assert np.array_equal(again.target_test.y, FIRST[1].target_test.y)
    assert again.source.x.shape != FIRST[2].source.x.shape


@pytest.mark.parametrize("pair", FIRST)
def test_every_class_is_in_every_part_and_shifts_are_of_the_known_kinds(
    pair: Pair,
) -> None:
    for rows in (pair.source, pair.target, pair.target_test):
        assert set(rows.y) == set(range(pair.classes))
        assert np.isfinite(rows.x).all()
    assert len(pair.target_test.y) == N_TEST
    for kind, strength in pair.shifts.items():
        assert SHIFTS[kind][0] <= strength <= SHIFTS[kind][1]


def test_domains_without_a_shift_are_alike_and_others_are_not() -> None:
    def distance(pair: Pair) -> float:
        """Largest difference of two columns' means, in standard errors."""
        source, target = pair.source.x, pair.target_test.x
        spread = np.hypot(
            source.std(0) / len(source) ** 0.5, target.std(0) / len(target) ** 0.5
        )
        return float((np.abs(source.mean(0) - target.mean(0)) / spread).max())

    moved = next(n for n, pair in enumerate(FIRST) if "translation" in pair.shifts)
    assert distance(FIRST[moved]) > 5
    assert distance(draw_pair(moved, kinds=())) < 5


def test_files_do_not_show_the_classes_of_the_target(tmp_path: Path) -> None:
    options = FIRST[0].write(tmp_path)
    assert options[1] == f"--data.target={tmp_path / 'target.npz'}"
    with np.load(tmp_path / "target.npz") as file:
        assert file.files == ["x"]
    with np.load(tmp_path / "source.npz") as file:
        assert np.array_equal(file["y"], FIRST[0].source.y)
