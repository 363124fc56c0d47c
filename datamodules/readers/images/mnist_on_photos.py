"""Digits of MNIST blended with patches of your photographs, as MNIST-M was made."""

from pathlib import Path

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.readers.images.archives import ImageFiles, Images, home
from datamodules.readers.images.cifar10 import LABELS, CIFAR10Files
from datamodules.readers.images.decode import decode_whole
from datamodules.readers.images.idx import mnist_files
from datamodules.readers.images.listing import listing

SIZE = 128
"""Height and width that photographs are brought to before patches are cut."""
CHUNK = 4_096
TEST_SHARE = 0.2
"""Of the photographs, for the test digits."""


class MNISTOnPhotos(ImageFiles):
    """MNIST, each digit on a patch of a photograph, 3 x 28 x 28.

    A pixel is the absolute difference of patch and digit, as in MNIST-M (Ganin et al.
    2016, arXiv:1505.07818), whose photographs are those of BSDS500. Here they are the
    images below ``<root>/photos``, their central squares of 128 x 128, the last fifth
    by name for the test digits; without such a folder, CIFAR-10 in ``<root>/cifar10``
    or ``root``, its test part for the test digits. So numbers are of the photographs
    that you have, and not of MNIST-M. The patches are the same in every run.

    Args:
        root: Folder of all data sets.
        download: Fetch missing files of MNIST, and of CIFAR-10 without photographs.
    """

    def __init__(self, root: Path, download: bool) -> None:
        self.photos = root / "photos"
        self.digits = mnist_files(root, download)
        known = (LABELS, "cifar-10-batches-py", "cifar-10-python.tar.gz")
        self.cifar10 = CIFAR10Files(home(root, "cifar10", known), download)

    @override
    def find(self) -> None:
        self.digits.find()
        if self.photos.is_dir():
            self._files()
            return
        try:
            self.cifar10.find()
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"data.root: digits on photographs need some in {self.photos}, or "
                f"CIFAR-10 in {self.cifar10.root}; put either there, or set "
                "data.download: true for CIFAR-10."
            ) from error

    @override
    def read(self) -> tuple[Images, Images]:
        """Training and test digits of 3 x 28 x 28, each on photographs of its own."""
        on = self._decoded() if self.photos.is_dir() else self._of_cifar10()
        train, test = (
            Images(on_patches(digits.x, photos, seed), digits.y)
            for seed, (digits, photos) in enumerate(
                zip(self.digits.read(), on, strict=True)
            )
        )
        return train, test

    def _files(self) -> list[Path]:
        files = listing(self.photos).images
        if len(files) < 2:
            raise FileNotFoundError(
                f"data.root: {self.photos} holds {len(files)} photographs, but digits "
                "for training and for test need one each; add some."
            )
        return files

    def _decoded(self) -> tuple[Tensor, Tensor]:
        fault, remedy = "photographs can't be read", "remove or replace them"
        photos = decode_whole(self._files(), 3, SIZE, fault, remedy)
        n_train = len(photos) - max(1, int(TEST_SHARE * len(photos)))
        return photos[:n_train], photos[n_train:]

    def _of_cifar10(self) -> tuple[Tensor, Tensor]:
        train, test = self.cifar10.read()
        return train.x, test.x


def on_patches(digits: Tensor, photos: Tensor, seed: int) -> Tensor:
    """Absolute differences of digits and patches drawn from photographs.

    Args:
        digits: uint8 (n, 1, size, size).
        photos: uint8 (m, 3, height, width), at least as large.
        seed: Decides the photograph of each digit and the place of its patch.

    Returns:
        uint8 (n, 3, size, size).

    >>> digits = torch.tensor([0, 255], dtype=torch.uint8).view(1, 1, 1, 2)
    >>> on_patches(digits[..., :1], torch.full((1, 3, 4, 4), 9).byte(), 0).flatten()
    tensor([9, 9, 9], dtype=torch.uint8)
    >>> on_patches(digits[..., 1:], torch.full((1, 3, 4, 4), 9).byte(), 0).flatten()
    tensor([246, 246, 246], dtype=torch.uint8)
    """
    n, size, draw = len(digits), digits.shape[-1], torch.Generator().manual_seed(seed)
    place = [
        torch.randint(most, (n, 1, 1), generator=draw)
        for most in (len(photos), *(side - size + 1 for side in photos.shape[2:]))
    ]
    along = torch.arange(size)
    blended = digits.new_empty(n, 3, size, size)
    for rows in torch.split(torch.arange(n), CHUNK):
        which, top, left = (numbers[rows] for numbers in place)
        pixels = photos.movedim(1, 3)[which, top + along[:, None], left + along]
        patches, ink = pixels.movedim(3, 1), digits[rows]
        blended[rows] = torch.maximum(patches, ink) - torch.minimum(patches, ink)
    return blended
