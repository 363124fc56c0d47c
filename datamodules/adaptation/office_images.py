"""Photographs of the same classes of things in two domains."""

from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.data import Dataset

from datamodules.adaptation.augmentation import Augmented, RandomRows
from datamodules.adaptation.base import Domains, LabelledRows, PairedRows, TwoDomains
from datamodules.adaptation.class_labels import check_all_present, hold_out_of_classes
from datamodules.core.arguments import at_least
from datamodules.core.loader import BatchLoader, RowsOfEpoch
from datamodules.readers.images.folder import DomainFolder, check_classes, subfolder

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class OfficeImages(TwoDomains):
    """Office-31, Office-Caltech10, Office-Home or your own: x is uint8 (n, 3, s, s).

    Pictures lie in ``<root>/<domain>/<class>/`` or, as in Office-31,
    ``<root>/<domain>/images/<class>/``; both domains need the same classes. A target
    may have no class folders, with its pictures directly in ``<root>/<domain>/``: its
    labels are -1 then. Every picture is decoded once, cropped to its central square,
    resized with anti-aliasing and kept as bytes (1,000 pictures of 224 x 224 take 151
    MB); grey pictures become colour. The rows of a domain are in the order of a hash of
    their pixels, so that neither the order nor any split depends on ``seed``, on names
    or on classes.

    With ``crop`` or ``flip`` training pictures are cropped at random and mirrored with
    probability 1/2, each row of each batch anew, as the number of the batch and
    ``seed`` decide (see `RandomRows`); all other batches are cropped in the centre.

    Args:
        root: Folder with one folder for each domain.
        source: Folder of the domain with labels.
        target: Folder of the domain without.
        image_size: Height and width of the pictures in a batch.
        crop: Pixels that the kept pictures are larger than that; with ``image_size``
            224, 32 is the usual crop of 224 from 256. 0 for no cropping.
        flip: Mirror training pictures left to right with probability 1/2.
        normalise: ``symmetric`` maps pixels to [-1, 1]; ``imagenet`` takes off the mean
            and divides by the standard deviation of ImageNet's channels, as networks
            trained there expect.
        val_share: Share of the source kept for validation. With 0 all of it is trained
            on and serves for validation too.
        target_test_share: Share of the target kept for test. With 0 accuracy is
            measured on all target rows, the same that are trained on without labels
            (the transductive protocol of most papers).
        on_corrupt: What to do with files that cannot be decoded: ``skip`` them with a
            warning that names them, or stop with an ``error``.
        batch_size: Pictures of each domain in a batch of one process.
        batches_per_epoch: Batches that count as an epoch.
        num_workers: Worker processes that slice batches; the batches are the same for
            any number.
        seed: Seed of the order of the training pictures, of crops and flips.

    Attributes:
        test_files: Files of the target's test rows, known once the data was read; the
            row numbers of predictions point into it, and their table names them.

    Raises:
        FileNotFoundError: A folder does not exist or holds no picture.
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
        on_corrupt: Literal["skip", "error"] = "skip",
        batch_size: int = 32,
        batches_per_epoch: int = 100,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, batches_per_epoch, num_workers, seed)
        at_least("image_size", image_size, 1)
        at_least("crop", crop, 0)
        shares = {"val_share": val_share, "target_test_share": target_test_share}
        for key, share in shares.items():
            if not 0 <= share < 1:
                raise ValueError(
                    f"data.{key} is {share}; use a number from 0 to below 1."
                )
        if normalise not in ("symmetric", "imagenet"):
            raise ValueError(f"data.normalise is {normalise}; use symmetric, imagenet.")
        self.root, self.domain_names = Path(root).expanduser(), (source, target)
        self.shape = (3, image_size, image_size)
        self.crop, self.flip, self.normalise = crop, flip, normalise
        self.shares, self.on_corrupt = (val_share, target_test_share), on_corrupt

    def find(self) -> None:
        """Looks for pictures of both domains, in folders of the same classes."""
        names = zip(("source", "target"), self.domain_names, strict=True)
        self.folders = [self._folder(key, name) for key, name in names]
        check_classes(self.folders, [folder.found_classes() for folder in self.folders])

    def read(self) -> Domains:
        """Decodes both domains and keeps parts for validation and test."""
        here, there = (folder.rows() for folder in self.folders)
        # once more: a class of which no picture can be decoded is gone
        check_classes(self.folders, [folder.classes for folder in self.folders])
        self.class_names = tuple(self.folders[0].classes)
        self.num_classes = len(self.class_names)
        n_val = _share_of(len(here), self.shares[0])
        source, source_val = hold_out_of_classes(here, n_val)
        name = f"data.source: {self.folders[0].root}"
        check_all_present(name, source.y, self.class_names)
        target, target_test = _cut(there, self.shares[1])
        self.test_files = self.folders[1].files[-len(target_test) :]
        return Domains(source, source_val, target.x, target_test)

    @property
    def row_columns(self) -> dict[str, list[str]]:
        """Where the pictures lie below ``root``."""
        files = [path.relative_to(self.root).as_posix() for path in self.test_files]
        return {"file": files}

    def to_model_scale(self, x: Tensor) -> Tensor:
        """Bytes to the normalised central crop; crops as they are."""
        if x.is_floating_point():
            return x
        size = self.shape[-1]
        begin = (x.shape[-1] - size) // 2
        x = x[..., begin : begin + size, begin : begin + size]
        if self.normalise == "symmetric":
            return super().to_model_scale(x)
        mean, std = (
            torch.tensor(values, device=x.device).view(3, 1, 1)
            for values in (IMAGENET_MEAN, IMAGENET_STD)
        )
        return x.float().div_(255).sub_(mean).div_(std)

    def _training_loader(self, data: Dataset[Any], rows: RowsOfEpoch) -> BatchLoader:
        if not (self.crop or self.flip):
            return super()._training_loader(data, rows)

        def drawn(epoch: int, start: int) -> RandomRows:
            paired = rows(epoch, start)
            assert isinstance(paired, PairedRows)
            return RandomRows(paired, self.crop + 1, self.flip)

        return super()._training_loader(Augmented(self.domains, self.shape[-1]), drawn)

    def _folder(self, key: str, name: str) -> DomainFolder:
        path = subfolder(key, self.root, name)
        size = self.shape[-1] + self.crop
        folder = DomainFolder(path, key, size, self.on_corrupt)
        folder.trainer = self.trainer  # only the first process shows progress
        folder.find()
        return folder


def _cut(rows: LabelledRows, share: float) -> tuple[LabelledRows, LabelledRows]:
    """The rows without a share at the end, and those; with 0 all serve for both."""
    if not share:
        return rows, rows
    first = len(rows) - _share_of(len(rows), share)
    return rows.part(slice(first)), rows.part(slice(first, None))


def _share_of(n: int, share: float) -> int:
    """How many rows a share is: one at least but not all, and none for 0."""
    return max(1, min(round(share * n), n - 1)) if share else 0
