"""Rows of several processes in order, and whole directories."""

from pathlib import Path

import pytest
import torch
from lightning.pytorch import Trainer

from callbacks.predictions.numbered_rows import NumberedRows, build_directory


def test_rows_are_float32_unless_told() -> None:
    rows = NumberedRows()
    rows.add(torch.tensor([0]), torch.tensor([[1.0]]).double())
    assert rows._rows[0].dtype == torch.float32


def test_rows_come_in_the_order_of_their_numbers_and_each_once(tmp_path: Path) -> None:
    rows = NumberedRows()
    rows.add(torch.tensor([4, 1]), torch.tensor([[40.0], [10.0]]))
    rows.add(torch.tensor([0, 4]), torch.tensor([[0.0], [99.0]]))
    joined = rows.join(Trainer(accelerator="cpu", logger=False), tmp_path / "new")
    assert joined is not None
    numbers, x = joined
    assert numbers.tolist() == [0, 1, 4]
    assert x.tolist() == [[0.0], [10.0], [40.0]]
    assert list(tmp_path.iterdir()) == []


def test_a_directory_appears_when_it_is_complete_and_keeps_earlier_ones(
    tmp_path: Path,
) -> None:
    target = tmp_path / "predictions"

    def fill(building: Path) -> None:
        assert not target.exists()
        (building / "a").write_text("whole")

    assert build_directory(target, fill) == target
    target.rename(tmp_path / "other")
    build_directory(target, fill)
    second = build_directory(target, lambda new: (new / "b").write_text("second"))
    assert second == tmp_path / "predictions-1"
    assert (target / "a").read_text() == "whole"


def test_a_directory_that_was_not_filled_does_not_appear(tmp_path: Path) -> None:
    def fill(building: Path) -> None:
        (building / "a").write_text("half")
        raise InterruptedError

    with pytest.raises(InterruptedError):
        build_directory(tmp_path / "predictions", fill)
    assert not (tmp_path / "predictions").exists()
