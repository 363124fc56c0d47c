"""Digits of one data set with labels, of another without."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

from torch import Tensor
from typing_extensions import override

from datamodules.adaptation.augmentation import Augmentation, Warps
from datamodules.adaptation.base import Domains, TwoDomains
from datamodules.core.hold_out import hold_out_last
from datamodules.core.tensor_dataset import LabelledRows
from datamodules.readers.images.archives import ImageFiles
from datamodules.readers.images.convert import same_form
from datamodules.readers.images.digit_box import in_mnist_box
from datamodules.readers.images.digit_files import SVHNFiles, USPSFiles
from datamodules.readers.images.idx import mnist_files
from datamodules.readers.images.mnist_m import MNISTMFiles
from datamodules.readers.images.mnist_on_photos import MNISTOnPhotos
from lightning_modules.core.validation import check_at_least, check_choice, check_share

DigitName = Literal["mnist", "usps", "mnist_m", "mnist_on_photos", "svhn"]
FILES: dict[str, Callable[[Path, bool], ImageFiles]] = {
    "mnist": mnist_files,
    "usps": USPSFiles,
    "mnist_m": lambda root, _: MNISTMFiles(root),
    "mnist_on_photos": MNISTOnPhotos,
    "svhn": SVHNFiles,
}
ON_BLACK = ("mnist", "usps")
"""Those whose background is black."""


class DigitDomains(TwoDomains):
    """Two sets of digits, of five: x is uint8 (n, channels, size, size).

    Trained on are the training part of the source with labels, less the last ``n_val``
    images, which serve for validation, and the training part of the target without
    labels; accuracy is measured on the target's test part. Images of both are
    brought to one form: grey by the luma weights of ITU-R BT.601 or colour by
    repetition, the size bilinearly with anti-aliasing, or, with ``same_box``, size and
    place of the digit as MNIST has them. Source and target may be the same, which gives
    the accuracy to be had with the target's labels.

    Files are looked for in ``<root>/<name>``, then in ``root``:
    ``MNIST/raw/train-images-idx3-ubyte`` and the other three, unpacked or ``.gz``;
    ``usps.h5``, or both ``usps.bz2`` and ``usps.t.bz2`` (their pixels differ, so that
    they are never mixed); ``mnist_m_train_labels.txt`` beside the folder
    ``mnist_m_train``, or ``mnist_m_train.pt``, and the same for test;
    ``train_32x32.mat`` and ``test_32x32.mat`` of SVHN. ``mnist_on_photos`` is made from
    MNIST and the images below ``<root>/photos``, or else CIFAR-10, as MNIST-M was from
    BSDS500 (see `MNISTOnPhotos`).

    | name | training | test | pixels |
    | --- | --- | --- | --- |
    | mnist | 60,000 | 10,000 | 1 x 28 x 28 |
    | usps | 7,291 | 2,007 | 1 x 16 x 16 |
    | mnist_m | about 60,000 | about 10,000 | 3 x 32 x 32 or 28 x 28 |
    | mnist_on_photos | 60,000 | 10,000 | 3 x 28 x 28 |
    | svhn | 73,257 | 26,032 | 3 x 32 x 32 |

    Args:
        source: Data set with labels.
        target: Data set without.
        root: Folder with the files of both.
        image_size: Height and width that all images are brought to.
        channels: 1 for grey, 3 for colour.
        same_box: Crop the digits of both and place them as MNIST does, see
            `in_mnist_box`; for MNIST and USPS in grey.
        warp: Turn, stretch and move training images at random, each entry of an affine
            map by up to so much (0.1: see `Warps`), as the number of the batch and
            ``seed`` decide; 0 leaves them as they are.
        n_val: Images of the source's training part kept for validation. With 0 all
            are trained on and serve for validation too.
        limit: Train on the first so many images of each domain only.
        download: Fetch missing files of all but MNIST-M.
        **options: Batches of `TwoDomains`.

    Raises:
        FileNotFoundError: A file is missing and ``download`` is false.
        ValueError: A file is cut off or damaged, or a number is out of its range.
        ConnectionError: The download failed.

    References:
        USPS: doi:10.1109/34.291440. MNIST-M: arXiv:1505.07818.
    """

    num_classes = 10
    class_names = tuple("0123456789")

    def __init__(
        self,
        source: DigitName = "mnist",
        target: DigitName = "usps",
        root: str = "data",
        image_size: Literal[16, 28, 32] = 28,
        channels: Literal[1, 3] = 1,
        *,
        same_box: bool = False,
        warp: float = 0.0,
        n_val: int = 1_000,
        limit: int | None = None,
        download: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        check_at_least(0, "data.", n_val=n_val)
        check_at_least(1, "data.", limit=limit)
        check_choice("data.source", source, tuple(FILES))
        check_choice("data.target", target, tuple(FILES))
        check_choice("data.image_size", str(image_size), ("16", "28", "32"))
        check_choice("data.channels", str(channels), ("1", "3"))
        check_share(**{"data.warp": warp})
        if same_box:
            _check_black(source, target, channels)
        self.domain_names, self.same_box, self.warp = (source, target), same_box, warp
        self.n_val, self.limit = n_val, limit
        self.shape = (channels, image_size, image_size)
        self.root = folder = Path(root).expanduser()
        self.files: dict[str, ImageFiles] = {
            name: FILES[name](folder, download) for name in self.domain_names
        }

    @override
    def find(self) -> None:
        for files in self.files.values():
            files.find()

    @property
    @override
    def augmentation(self) -> Augmentation | None:
        size = self.warp
        return Augmentation(6, partial(Warps.drawn, size=size)) if size else None

    @override
    def read(self) -> Domains:
        parts = {name: files.read() for name, files in self.files.items()}
        source, target = (parts[name] for name in self.domain_names)
        train, val = hold_out_last(LabelledRows(*source[0]), self.n_val)
        return Domains(
            source=self._formed(train.x, train.y, self.limit),
            source_val=self._formed(val.x, val.y),
            target=self._formed(*target[0], self.limit).x,
            target_test=self._formed(*target[1]),
        )

    def _formed(self, x: Tensor, y: Tensor, limit: int | None = None) -> LabelledRows:
        channels, size, _ = self.shape
        x, y = x[:limit], y[:limit]
        if self.same_box:
            return LabelledRows(in_mnist_box(x, size), y)
        return LabelledRows(same_form(x, size, channels), y)


def _check_black(source: DigitName, target: DigitName, channels: int) -> None:
    """Refuses digits that can't be told from what is around them."""
    for name in (source, target):
        if name not in ON_BLACK:
            raise ValueError(
                "data.same_box: true is for digits on black "
                f"({' and '.join(ON_BLACK)}), not for {name}; leave it out."
            )
    if channels != 1:
        raise ValueError("data.same_box: true is for grey digits; set data.channels 1.")
