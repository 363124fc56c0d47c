"""Rows predicted by several processes, in order; directories that are never half."""

import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from lightning.pytorch import Trainer
from torch import Tensor

from lightning_modules.core.files import free_name, write_whole


class NumberedRows:
    """Rows (n, ...) with their numbers, kept on every rank and joined on rank 0.

    Args:
        dtype: Type in which rows are kept; float32 has whole numbers to 2^24 only.
    """

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        self.dtype = dtype
        self._numbers: list[Tensor] = []
        self._rows: list[Tensor] = []

    def clear(self) -> None:
        """Forget all rows."""
        self._numbers, self._rows = [], []

    def add(self, numbers: Tensor, rows: Tensor) -> None:
        """Keep rows (n, ...) under their numbers (n,), int64."""
        self._numbers.append(numbers.cpu())
        self._rows.append(rows.to(self.dtype).cpu())

    def join(self, trainer: Trainer, target: Path) -> tuple[Tensor, Tensor] | None:
        """Forget the rows and give those of all ranks; call it on every rank.

        Args:
            trainer: Knows the ranks, which need a common file system.
            target: Where the result goes; the ranks' parts lie beside it meanwhile.

        Returns:
            Numbers (n,) in rising order, each once, and rows (n, ...), on rank 0;
            None on the others.
        """
        parts = [_part(target, rank) for rank in range(trainer.world_size)]
        if self._numbers:
            own = {"n": torch.cat(self._numbers), "x": torch.cat(self._rows)}
            write_whole(parts[trainer.global_rank], lambda file: torch.save(own, file))
        self.clear()
        trainer.strategy.barrier("NumberedRows")
        return _joined(parts) if trainer.is_global_zero else None


def _part(target: Path, rank: int) -> Path:
    return target.with_name(f".{target.name}.rank{rank}")


def _joined(parts: list[Path]) -> tuple[Tensor, Tensor]:
    """All ranks' rows in the order of their numbers, each number once."""
    files = [torch.load(part, weights_only=True) for part in parts if part.exists()]
    for part in parts:
        part.unlink(missing_ok=True)
    numbers = torch.cat([one["n"] for one in files])
    rows = torch.cat([one["x"] for one in files])
    # Ranks that run out of numbers repeat one, to make as many steps as the others.
    order = numbers.argsort(stable=True)
    first = torch.ones(len(order), dtype=torch.bool)
    first[1:] = numbers[order][1:] != numbers[order][:-1]
    order = order[first]
    return numbers[order], rows[order]


def build_directory(target: Path, fill: Callable[[Path], object]) -> Path:
    """Let ``fill`` write into a new directory, which appears when it is complete.

    Returns:
        The path: ``target``, or ``target-1``, ... where earlier ones are kept.
    """
    building = target.with_name(f".{target.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    try:
        fill(building)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    return building.rename(free_name(target))
