"""One half of scikit-learn's digits, and the other half blurred and moved."""

from typing import Any

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from typing_extensions import override

from datamodules.adaptation.base import Domains, TwoDomains
from datamodules.core.hold_out import last_rows
from datamodules.core.tensor_dataset import LabelledRows
from datamodules.readers.images.digit_files import read_small_digits
from lightning_modules.core.validation import check_at_least

N_SOURCE, N_TARGET = 899, 898
SIZE = 8


class DigitsShift(TwoDomains):
    """Real 8x8 digits in two conditions, no download: x is float32 (n, 1, 8, 8).

    899 digits are the source, the 898 others the target: no digit is in both domains.
    The target's images are blurred by a Gaussian and then moved right and down by
    whole pixels. Outside an image all is black (-1): ink that is blurred or moved over
    the border is lost, and black comes in from the other side. Colours are not
    inverted. The source's last ``n_val`` digits serve for validation, the target's last
    ``n_test`` for test; the others (699 and 500) are trained on, the target's without
    labels. Which digits are where does not depend on ``seed``, so that runs can be
    compared.

    Args:
        batch_size: Digits of each domain in a batch of one process.
        batches_per_epoch: Batches that count as an epoch; 21 pass over 699 digits.
        blur: Standard deviation of the Gaussian, in pixels; 0 for none.
        right: Pixels that the target is moved to the right.
        down: Pixels that it is moved down.
        n_val: Source digits kept from training.
        n_test: Target digits kept from training.
        **options: Workers and seed of `TwoDomains`.

    Raises:
        ValueError: A number is out of its range; the sentence names the key.

    References:
        https://archive.ics.uci.edu/dataset/80 (its test part).

    >>> digits = DigitsShift()
    >>> digits.setup()
    >>> [len(digits.domains.source), len(digits.domains.source_val)]
    [699, 200]
    >>> [len(digits.domains.target), len(digits.domains.target_test)]
    [500, 398]
    """

    shape = (1, SIZE, SIZE)
    num_classes = 10
    class_names = tuple("0123456789")

    def __init__(
        self,
        batch_size: int = 32,
        batches_per_epoch: int = 21,
        blur: float = 0.5,
        right: int = 1,
        down: int = 0,
        n_val: int = 200,
        n_test: int = 398,
        **options: Any,
    ) -> None:
        super().__init__(batch_size, batches_per_epoch, **options)
        if not 0 <= blur < SIZE:
            raise ValueError(f"data.blur must be in [0, {SIZE}), got {blur}.")
        _check_between(0, SIZE - 1, right=right, down=down)
        _check_between(1, N_SOURCE - 1, n_val=n_val)
        _check_between(1, N_TARGET - 1, n_test=n_test)
        self.blur, self.right, self.down = blur, right, down
        self.n_val, self.n_test = n_val, n_test

    @override
    def read(self) -> Domains:
        """All digits in a fixed random order, split in two and these in two again."""
        x, y = read_small_digits()
        source = LabelledRows(_on_scale(x[:N_SOURCE]), y[:N_SOURCE])
        moved = disturbed(x[N_SOURCE:], self.blur, self.right, self.down)
        target = LabelledRows(_on_scale(moved), y[N_SOURCE:])
        train, val = last_rows(source, self.n_val)
        unlabelled, test = last_rows(target, self.n_test)
        return Domains(train, val, unlabelled.x, test)


def _check_between(least: int, most: int, **values: int) -> None:
    check_at_least(least, "data.", **values)
    for key, value in values.items():
        if value > most:
            raise ValueError(f"data.{key} must be at most {most}, got {value}.")


def disturbed(ink: Tensor, blur: float, right: int, down: int) -> Tensor:
    """Images after a Gaussian blur and a move right and down; 0 lies outside.

    Args:
        ink: Amounts of ink, (n, 1, height, width).
        blur: Standard deviation in pixels; the kernel is cut at four of them.
        right: Pixels, at least 0.
        down: Pixels, at least 0.

    Returns:
        The same shape.

    >>> disturbed(torch.tensor([[[[4.0, 0.0], [1.0, 0.0]]]]), 0.0, right=1, down=0)
    tensor([[[[0., 4.],
              [0., 1.]]]])
    """
    soft = ndimage.gaussian_filter(ink.numpy(), (0, 0, blur, blur), mode="constant")
    height, width = soft.shape[-2:]
    moved = np.zeros_like(soft)
    moved[..., down:, right:] = soft[..., : height - down, : width - right]
    return torch.from_numpy(moved)


def _on_scale(ink: Tensor) -> Tensor:
    """0 ... 16 to [-1, 1]."""
    return (ink / 8 - 1).float()
