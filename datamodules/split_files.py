"""Pairs that somebody has split already: the files of LightGCN's repositories."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from datamodules.interactions import InteractionData, SplitPairs
from lightning_modules.user_items import UserItems

FILES = {"train": "train.txt", "val": "valid.txt", "test": "test.txt"}


class SplitFiles(InteractionData):
    """A folder of ``train.txt``, ``valid.txt`` and ``test.txt``.

    A line is ``user item item ...``. Users and items are whole numbers from 0; a user
    without items in a part has no line there, or an empty one. This is the format of
    LightGCN and its successors.

    Args:
        root: Folder of the files.
        batch_size: Pairs in a batch of one process.
        eval_batch_size: Users ranked at a time.
        mask_val: Whether validation items are left out of the ranking at test; the
            published tables of this format don't.
        predict_users: The users that prediction ranks items for; None takes all.
        num_workers: Worker processes that slice batches; the batches are the same for
            any number.
        seed: Seed of the order of the pairs.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A line is not whole numbers, or parts share a pair.

    References:
        LightGCN++ (doi:10.1145/3640457.3688176) for the split of Last.fm.
    """

    def __init__(
        self,
        root: str = "data/lastfm",
        batch_size: int = 1024,
        eval_batch_size: int = 256,
        mask_val: bool = False,
        predict_users: Sequence[int | str] | None = None,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(
            batch_size, eval_batch_size, mask_val, predict_users, num_workers, seed
        )
        self.root = Path(root).expanduser()

    def find(self) -> None:
        """Checks that all files are there."""
        for name in FILES.values():
            if not (self.root / name).is_file():
                raise FileNotFoundError(
                    f"data.root: {self.root / name} does not exist; put "
                    f"{', '.join(FILES.values())} into a folder and name it."
                )

    def read(self) -> SplitPairs:
        """All three files."""
        pairs = {part: read_lines(self.root / name) for part, name in FILES.items()}
        n_users, n_items = (
            1 + max(int(p[side].max()) for p in pairs.values() if len(p[side]))
            for side in (0, 1)
        )
        made = {
            part: UserItems.from_pairs(*found, n_users, n_items)
            for part, found in pairs.items()
        }
        return SplitPairs(made["train"], made["val"], made["test"])


def read_lines(path: Path) -> tuple[Tensor, Tensor]:
    """Users and items of all pairs in a file, int64 (n,) each.

    Raises:
        ValueError: A line is not whole numbers of at least 0; or there is no pair.
    """
    users: list[int] = []
    items: list[int] = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            row = [int(word) for word in line.split()]
        except ValueError:
            raise ValueError(
                f"data.root: line {number} of {path} is not whole numbers; write "
                "'user item item ...', counted from 0."
            ) from None
        if row and min(row) < 0:
            raise ValueError(
                f"data.root: line {number} of {path} has the negative number "
                f"{min(row)}; count users and items from 0."
            )
        items += row[1:]
        users += row[:1] * (len(row) - 1)
    if not users:
        raise ValueError(
            f"data.root: {path} holds no pair; write 'user item item ...'."
        )
    return torch.tensor(users), torch.tensor(items)
