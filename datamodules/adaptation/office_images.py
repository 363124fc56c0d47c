"""Photographs of the same classes of objects in two domains."""

from functools import partial
from pathlib import Path
from typing import Any, Literal

from torch import Tensor
from torchvision.transforms.v2.functional import normalize
from typing_extensions import override

from datamodules.adaptation.augmentation import Augmentation, Crops
from datamodules.adaptation.base import Domains, TwoDomains
from datamodules.adaptation.class_labels import check_all_present, hold_out_of_classes
from datamodules.core.hold_out import check_share, last_rows
from datamodules.core.tensor_dataset import LabelledRows
from datamodules.readers.images.domain_folder import (
    DomainFolder,
    check_classes,
    subfolder,
)
from datamodules.readers.images.folder import OnCorrupt
from lightning_modules.core.files import readable
from lightning_modules.core.validation import check_at_least, check_choice

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class OfficeImages(TwoDomains):
    """Office-31, Office-Caltech10, Office-Home or your own: x is uint8 (n, 3, s, s).

    Images lie in ``<root>/<domain>/<class>/`` or, as in Office-31,
    ``<root>/<domain>/images/<class>/``; both domains need the same classes. A target
    may have no class folders, with its images directly in ``<root>/<domain>/``: its
    labels are -1 then. `ImageTree` says how images are decoded (1,000 of 224 x 224
    take 151 MB); grey ones become colour. The rows of a domain are in the order of a
    hash of their pixels, so that neither the order nor any split depends on ``seed``,
    on names or on classes.

    With ``crop`` or ``flip`` training images are cropped at random and mirrored with
    probability 1/2, drawn for each row of each batch, as the number of the batch and
    ``seed`` decide (see `AugmentedRows`); all other batches are cropped in the centre.

    Args:
        root: Folder with one folder for each domain.
        source: Folder of the domain with labels.
        target: Folder of the domain without.
        image_size: Height and width of the images in a batch.
        crop: Pixels that the held images are larger than that; with ``image_size``
            224, 32 is the usual crop of 224 from 256. 0 for no cropping.
        flip: Mirror training images left to right with probability 1/2.
        normalise: ``symmetric`` maps pixels to [-1, 1]; ``imagenet`` subtracts the mean
            and divides by the standard deviation of ImageNet's channels, as networks
            trained there expect.
        val_share: Share of the source kept for validation. With 0 all of it is trained
            on and serves for validation too.
        target_test_share: Share of the target kept for test. With 0 accuracy is
            measured on all target rows, the same that are trained on without labels
            (the transductive protocol of most papers).
        on_corrupt: What to do with files that cannot be decoded: ``skip`` them with a
            warning that names them, or stop with an ``error``.
        white_level: Value of white in grey images of 16 bits, as of `ImageFolder`.
        **options: Batches of `TwoDomains`.

    Attributes:
        test_files: Files of the target's test rows, known once the data was read; the
            row numbers of predictions point into it, and their table names them.

    Raises:
        FileNotFoundError: A folder does not exist or holds no image.
        ValueError: The classes differ, a file is corrupt and ``on_corrupt`` is
            ``error``, or a number is out of its range.

    References:
        Office-31: doi:10.1007/978-3-642-15561-1_16. Office-Caltech10:
        doi:10.1109/CVPR.2012.6247911. Office-Home: arXiv:1706.07522.
    """

    test_files: list[Path]

    def __init__(
        self,
        root: str,
        source: str,
        target: str,
        image_size: int = 224,
        crop: int = 0,
        flip: bool = False,
        normalise: Literal["symmetric", "imagenet"] = "symmetric",
        val_share: float = 0.1,
        target_test_share: float = 0.0,
        on_corrupt: OnCorrupt = "skip",
        *,
        white_level: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        check_at_least(1, "data.", image_size=image_size, white_level=white_level)
        check_at_least(0, "data.", crop=crop)
        check_share("val_share", val_share)
        check_share("target_test_share", target_test_share)
        check_choice("data.normalise", normalise, ("symmetric", "imagenet"))
        self.root, self.names = Path(root).expanduser(), (source, target)
        self.domain_names = (readable(source), readable(target))
        self.shape = (3, image_size, image_size)
        self.crop, self.flip, self.normalise = crop, flip, normalise
        self.shares, self.on_corrupt = (val_share, target_test_share), on_corrupt
        self.white_level = white_level

    @override
    def find(self) -> None:
        """Looks for images of both domains, in folders of the same classes."""
        names = zip(("source", "target"), self.names, strict=True)
        self.folders = [self._folder(key, name) for key, name in names]
        check_classes(self.folders, [folder.found_classes() for folder in self.folders])

    @override
    def read(self) -> Domains:
        """Decodes both domains and keeps parts for validation and test."""
        source_folder, target_folder = (folder.read() for folder in self.folders)
        # once more: a class of which no image can be decoded is gone
        check_classes(self.folders, [source_folder.classes, target_folder.classes])
        self.class_names = tuple(map(readable, source_folder.classes))
        self.num_classes = len(self.class_names)
        self.skipped_files = source_folder.n_skipped + target_folder.n_skipped
        rows, target_rows = (
            LabelledRows(*folder.rows) for folder in (source_folder, target_folder)
        )
        n_val = _share_of(len(rows), self.shares[0])
        source, source_val = hold_out_of_classes(rows, n_val)
        name = f"data.source: {self.folders[0].root}"
        check_all_present(name, source.y, self.class_names)
        n_test = _share_of(len(target_rows), self.shares[1])
        target, target_test = last_rows(target_rows, n_test)
        self.test_files = target_folder.files[-len(target_test) :]
        return Domains(source, source_val, target.x, target_test)

    @property
    @override
    def row_columns(self) -> dict[str, list[str]]:
        """Where the images lie below ``root``."""
        below = [path.relative_to(self.root) for path in self.test_files]
        return {"file": [readable(path.as_posix()) for path in below]}

    @override
    def to_model_scale(self, x: Tensor) -> Tensor:
        """Bytes to the normalised central crop; crops as they are."""
        if x.is_floating_point():
            return x
        size = self.shape[-1]
        begin = (x.shape[-1] - size) // 2
        x = x[..., begin : begin + size, begin : begin + size]
        if self.normalise == "symmetric":
            return super().to_model_scale(x)
        scaled: Tensor = normalize(x.float().div_(255), IMAGENET_MEAN, IMAGENET_STD)
        return scaled

    @property
    @override
    def augmentation(self) -> Augmentation | None:
        if not (self.crop or self.flip):
            return None
        size, places = self.shape[-1], self.crop + 1
        crops = partial(Crops.drawn, size=size, places=places, flip=self.flip)
        return Augmentation(3, crops)

    def _folder(self, key: str, name: str) -> DomainFolder:
        folder = DomainFolder(
            subfolder(key, self.root, name),
            size=self.shape[-1] + self.crop,
            on_corrupt=self.on_corrupt,
            white_level=self.white_level,
            key=key,
            relative_to=self.root,
            quiet=not self._is_first_process,
        ).inner()
        folder.find()
        return folder


def _share_of(n: int, share: float) -> int:
    """How many rows a share is: one at least but not all, and none for 0."""
    return max(1, min(round(share * n), n - 1)) if share else 0
