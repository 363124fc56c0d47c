"""A folder of somebody's own pictures."""

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import torch
from PIL import Image
from rich.progress import track
from torch import Tensor
from torchvision.datasets.folder import IMG_EXTENSIONS

from datamodules.core.arguments import at_least
from datamodules.core.in_memory import InMemoryDataModule, Splits
from datamodules.core.samplers import seeded_generator
from datamodules.core.tensor_dataset import TensorPairs
from datamodules.readers.images.decode import to_square, walk

NOT_A_PICTURE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


class ImageFolder(InMemoryDataModule):
    """All pictures below a folder: (x, y) of float32 (n, channels, size, size), int64.

    Every picture is decoded once, cropped to its central square, resized with
    anti-aliasing, and kept as bytes: 10,000 pictures of 3 x 64 x 64 take 123 MB of
    memory. Transparent parts become white; rotation marks of cameras are obeyed. The
    label is the number of the first-level subfolder in alphabetical order (pictures
    directly in ``root`` come before all of these), so it is 0 everywhere if there are
    no subfolders. A part chosen at random serves for both validation and test.

    Args:
        root: Folder that is searched, with all folders below it.
        image_size: Height and width that the pictures are brought to, in pixels.
        channels: 3 for colour, 1 for grey.
        batch_size: Pictures in a batch of one process.
        val_fraction: Share of the pictures kept from training. With 0 all are trained
            on and serve for validation too.
        on_corrupt: What to do with files that cannot be decoded: ``skip`` them with a
            warning that names them, or stop with an ``error``.
        flip: Mirror each training picture left to right with probability 1/2.
        num_workers: Worker processes that slice batches; 0 is fastest for data in
            memory, and the batches are the same for any number.
        seed: Seed of the order of the training pictures.
        n_predict: How many samples ``predict`` draws.

    Attributes:
        classes: Names behind the labels, known once the data was read.

    Raises:
        FileNotFoundError: The folder does not exist or holds no picture.
        ValueError: A file is corrupt and ``on_corrupt`` is ``error``, or a number is
            out of its range.
    """

    classes: list[str]
    key = "root"
    """The key of the command line that says where the pictures are."""

    def __init__(
        self,
        root: str,
        image_size: int = 32,
        channels: Literal[1, 3] = 3,
        batch_size: int = 64,
        val_fraction: float = 0.1,
        on_corrupt: Literal["skip", "error"] = "skip",
        flip: bool = False,
        num_workers: int = 0,
        seed: int = 0,
        n_predict: int = 64,
    ) -> None:
        super().__init__(batch_size, num_workers, seed, n_predict, flip)
        at_least("image_size", image_size, 1)
        if channels not in (1, 3):
            raise ValueError(f"data.channels is {channels}; use 1 or 3.")
        if not 0 <= val_fraction < 1:
            raise ValueError(
                f"data.val_fraction is {val_fraction}; use a number from 0 to below 1."
            )
        self.root, self.shape = (
            Path(root).expanduser(),
            (channels, image_size, image_size),
        )
        self.val_fraction, self.on_corrupt = val_fraction, on_corrupt

    def find(self) -> None:
        """Checks that there are pictures."""
        if not self.root.is_dir():
            raise FileNotFoundError(
                f"data.{self.key}: the folder {self.root} does not exist; name one "
                "with pictures in it."
            )
        if not self._files():
            raise FileNotFoundError(
                f"data.{self.key}: no picture below {self.root} (looked for "
                f"{', '.join(IMG_EXTENSIONS)}); name another folder."
            )

    def read(self) -> Splits:
        """Decodes all files and keeps a part for validation."""
        pictures, files = self._decode(self._files())
        groups = [path.relative_to(self.root).parts[:-1][:1] for path in files]
        named = sorted(set(groups))
        self.classes = ["/".join(group) for group in named]
        self.num_classes = len(named)
        labels = torch.tensor([named.index(group) for group in groups])
        pairs = TensorPairs(torch.stack(pictures), labels)
        n_val = round(self.val_fraction * len(files))
        if not n_val:
            return pairs, pairs, pairs
        # the same part for every seed, so that runs can be compared
        order = torch.randperm(len(files), generator=seeded_generator("pictures", 0))
        held_out = pairs.part(order[:n_val].sort().values)
        return pairs.part(order[n_val:].sort().values), held_out, held_out

    def _files(self) -> list[Path]:
        return sorted(
            path
            for folder in walk(self.root)
            for path in folder.iterdir()
            if path.suffix.lower() in IMG_EXTENSIONS
            and not path.name.startswith(".")
            and path.is_file()
        )

    def _decode(self, files: list[Path]) -> tuple[list[Tensor], list[Path]]:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            decoded = list(
                track(
                    pool.map(self._picture_or_fault, files),
                    f"Reading {self.root}",
                    len(files),
                    transient=True,
                    disable=not self._is_first,
                )
            )
        faults = [fault for fault in decoded if isinstance(fault, str)]
        if faults:
            self._report(faults, len(files))
        good = [
            (x, path)
            for x, path in zip(decoded, files, strict=True)
            if not isinstance(x, str)
        ]
        return [x for x, _ in good], [path for _, path in good]

    def _report(self, faults: list[str], n_files: int) -> None:
        listed = "; ".join(faults)
        if self.on_corrupt == "error" or len(faults) == n_files:
            raise ValueError(
                f"data.{self.key}: {len(faults)} of {n_files} files are no readable "
                f"picture: {listed}. Remove them, or set data.on_corrupt: skip."
            )
        if self._is_first:
            warnings.warn(
                f"Skipped {len(faults)} files that cannot be read: {listed}.",
                stacklevel=2,
            )

    @property
    def _is_first(self) -> bool:
        return self.trainer is None or self.trainer.is_global_zero

    def _picture_or_fault(self, path: Path) -> Tensor | str:
        try:
            with Image.open(path) as file:
                return to_square(file, self.shape[0], self.shape[1])
        except NOT_A_PICTURE as error:
            return f"{path} ({error})"
