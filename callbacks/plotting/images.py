"""Image grids, and where images go: to a logger or into a file."""

import io
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import Trainer
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from callbacks.core.loggers import log_media, run_directory
from lightning_modules.core.files import write_whole

Pixels = NDArray[np.uint8]
"""Pixels (height, width, 3), RGB, 0 to 255."""

CELL_PIXELS = 64  # about the smallest cell in which a digit is read without effort
GAP_COLOUR = (96, 112, 140)  # seen beside black, white and natural images alike


def log_picture(
    trainer: Trainer, key: str, image: Pixels, step: int, caption: str
) -> Path | None:
    """Send an image to W&B or TensorBoard, and write it unless these are alone.

    Beside a logger of files, or without any, the file is ``images/<key>/<step>.png`` in
    the run's own directory, with the caption as its PNG description. Ranks above 0 do
    nothing, and neither does a run with ``fast_dev_run``.

    Returns:
        The path of the file, or None where none was written.
    """
    if trainer.fast_dev_run or not trainer.is_global_zero:  # type: ignore[attr-defined]
        return None

    def to_wandb(logger: Any) -> None:
        logger.log_image(key, [image], step=step, caption=[caption])

    def to_tensorboard(logger: Any) -> None:
        logger.experiment.add_image(key, image, step, dataformats="HWC")

    if log_media(trainer, to_wandb, to_tensorboard):
        return None
    return write_picture(trainer, key, image, step, caption)


def write_picture(
    trainer: Trainer, key: str, image: Pixels, step: int, caption: str
) -> Path | None:
    """Write ``images/<key>/<step>.png`` in the run's own directory.

    Nothing is written with ``fast_dev_run``.
    """
    if trainer.fast_dev_run:  # type: ignore[attr-defined]
        return None
    path = run_directory(trainer) / "images" / key / f"{step}.png"
    return save_png(image, path, caption)


def save_png(image: Pixels, path: str | os.PathLike[str], caption: str = "") -> Path:
    """Write an image as PNG, whole or not at all, with the caption inside the file."""
    description = PngInfo()
    description.add_itxt("Description", caption)
    content = io.BytesIO()
    Image.fromarray(image).save(content, format="PNG", pnginfo=description)
    return write_whole(path, content.getvalue())


def image_grid(
    images: Tensor, scale: int | None = None, gap: int = 4, columns: int | None = None
) -> Pixels:
    """Arrange images in rows, enlarged and apart, so that each can be read.

    Args:
        images: Images (n, channels, height, width) in [-1, 1], grey or RGB. Values
            outside are clipped; what is not a number is drawn in magenta.
        scale: Whole factor of enlargement without smoothing; None makes cells of
            about 64 pixels.
        gap: Pixels between cells and around them.
        columns: Cells in a row; None makes the grid as square as it can be.

    Raises:
        ValueError: If the shape is not that of grey or RGB images.

    >>> import torch
    >>> image_grid(torch.zeros(4, 1, 8, 8), scale=2, gap=4).shape
    (44, 44, 3)
    """
    if images.ndim != 4 or images.shape[1] not in (1, 3) or len(images) == 0:
        raise ValueError(
            "A grid needs grey or RGB images of shape (n, 1 or 3, height, width), "
            f"not {tuple(images.shape)}."
        )
    cells = _pixels(images)
    factor = scale or max(1, round(CELL_PIXELS / max(cells.shape[1:3])))
    cells = cells.repeat(factor, axis=1).repeat(factor, axis=2)
    n, height, width, _ = cells.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    grid = np.empty(
        (rows * (height + gap) + gap, columns * (width + gap) + gap, 3), np.uint8
    )
    grid[:] = GAP_COLOUR
    for index, cell in enumerate(cells):
        top = gap + index // columns * (height + gap)
        left = gap + index % columns * (width + gap)
        grid[top : top + height, left : left + width] = cell
    return grid


def _pixels(images: Tensor) -> Pixels:
    """Turn (n, c, h, w) in [-1, 1] into (n, h, w, 3) of bytes."""
    values = images.detach().float().cpu().expand(-1, 3, -1, -1).permute(0, 2, 3, 1)
    bytes_ = ((values.clamp(-1, 1) + 1) * 127.5).round().nan_to_num(0).byte().numpy()
    bytes_[values.isnan().any(dim=-1).numpy()] = (255, 0, 255)
    return np.ascontiguousarray(bytes_)
