"""The 1,797 handwritten digits that scikit-learn ships."""

from typing import Any

import torch
from typing_extensions import override

from datamodules.core.hold_out import last_rows
from datamodules.core.in_memory import InMemoryDataModule, Splits
from datamodules.core.tensor_dataset import LabelledRows
from datamodules.readers.images.digit_files import read_small_digits
from lightning_modules.core.validation import check_at_least

N_DIGITS = 1_797


class Digits(InMemoryDataModule):
    """Real 8x8 digits, no download: (x, y) of float32 (n, 1, 8, 8) and int64 (n,).

    The ``n_held_out`` digits kept from training serve for both validation and test;
    which ones they are does not depend on ``seed``, so that runs can be compared.
    The 899 others are about one half. With 0 held out, all 1,797 are used for
    everything.

    Args:
        batch_size: Digits in a batch of one process.
        n_held_out: Digits kept out of training. 898 is one half.
        **options: Options of `InMemoryDataModule`, except ``flip``.

    References:
        https://archive.ics.uci.edu/dataset/80 (its test part).

    >>> digits = Digits(batch_size=64)
    >>> digits.real("train").shape, digits.real("test").shape
    (torch.Size([899, 1, 8, 8]), torch.Size([898, 1, 8, 8]))
    """

    levels = 16.0
    num_classes = 10
    shape = (1, 8, 8)

    def __init__(
        self, batch_size: int = 64, n_held_out: int = 898, **options: Any
    ) -> None:
        super().__init__(batch_size=batch_size, flip=False, **options)
        check_at_least(0, "data.", n_held_out=n_held_out)
        if n_held_out >= N_DIGITS:
            raise ValueError(
                f"data.n_held_out is {n_held_out}, but there are {N_DIGITS} digits; "
                "set it to at most 1796."
            )
        self.n_held_out = n_held_out

    @override
    def read(self) -> Splits:
        """All digits in a fixed random order, split in two."""
        ink, labels = read_small_digits()
        digits = LabelledRows(ink.to(torch.uint8), labels)
        train, held_out = last_rows(digits, self.n_held_out)
        return train, held_out, held_out
