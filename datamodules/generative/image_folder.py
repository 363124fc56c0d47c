"""Images of the user's own, from a folder."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from typing_extensions import override

from datamodules.core.hold_out import check_share
from datamodules.core.in_memory import InMemoryDataModule, Splits
from datamodules.core.samplers import seeded_generator
from datamodules.core.tensor_dataset import LabelledRows
from datamodules.readers.images.folder import SHOWN, ImageTree, OnCorrupt
from lightning_modules.core.files import readable
from lightning_modules.core.validation import check_at_least, check_choice


class ImageFolder(InMemoryDataModule):
    """All images below a folder: (x, y) of float32 (n, channels, size, size), int64.

    `ImageTree` says how they are decoded; 10,000 images of 3 x 64 x 64 take 123 MB of
    memory. The label is the number of the first-level subfolder in alphabetical order
    (images directly in ``root`` come before all of these), so it is 0 everywhere if
    there are no subfolders. A part chosen at random serves for both validation and
    test.

    Args:
        root: Folder that is searched, with all folders below it.
        image_size: Height and width that the images are brought to, in pixels.
        channels: 3 for colour, 1 for grey.
        val_fraction: Share of the images kept from training. With 0 all are trained
            on and serve for validation too.
        on_corrupt: What to do with files that cannot be decoded: ``skip`` them with a
            warning that names them, or stop with an ``error``.
        white_level: Value of white in grey images of 16 bits, such as 4095 where only
            12 are in use; None takes 65535, and refuses images that make it doubtful.
        **options: Options of `InMemoryDataModule`.

    Attributes:
        classes: Names behind the labels, known once the data was read.

    Raises:
        FileNotFoundError: The folder does not exist or holds no image.
        ValueError: A subfolder holds no image, a file is corrupt and ``on_corrupt`` is
            ``error``, or a number is out of its range.
    """

    classes: list[str]

    def __init__(
        self,
        root: str,
        image_size: int = 32,
        channels: Literal[1, 3] = 3,
        *,
        val_fraction: float = 0.1,
        on_corrupt: OnCorrupt = "skip",
        white_level: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        check_at_least(1, "data.", image_size=image_size, white_level=white_level)
        check_choice("data.channels", str(channels), ("1", "3"))
        check_share("val_fraction", val_fraction)
        self.root = Path(root).expanduser()
        self.shape = (channels, image_size, image_size)
        self.val_fraction = val_fraction
        form = (image_size, channels, on_corrupt, white_level)
        self._tree = ImageTree(self.root, *form)

    @property
    @override
    def title(self) -> str:
        return f"{super().title} {self.root.name}"

    @override
    def contents(self) -> str:
        shown = ", ".join(self.classes[:SHOWN]) + " ..." * (len(self.classes) > SHOWN)
        return super().contents() + f", classes {shown}" * (len(self.classes) > 1)

    @override
    def find(self) -> None:
        self._tree.find()

    @override
    def read(self) -> Splits:
        """Decodes all files and keeps a part for validation."""
        folder = replace(self._tree, quiet=not self._is_first_process).read()
        self.classes = [*map(readable, folder.classes)]
        self.num_classes, self.skipped_files = len(self.classes), folder.n_skipped
        pairs = LabelledRows(*folder.rows)
        n_val = round(self.val_fraction * len(pairs))
        if not n_val:
            return pairs, pairs, pairs
        # the same part for every seed, so that runs can be compared
        generator = seeded_generator("pictures", 0)
        order = torch.randperm(len(pairs), generator=generator)
        held_out = pairs.part(order[:n_val].sort().values)
        return pairs.part(order[n_val:].sort().values), held_out, held_out
