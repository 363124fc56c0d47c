"""Prediction writer for samples: images and arrays."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from typing_extensions import override

from callbacks.plotting.images import image_grid, save_png
from callbacks.plotting.plots import point_plot
from callbacks.predictions.prediction_table import PredictionWriter
from lightning_modules.core.files import write_whole
from lightning_modules.core.validation import check_at_least


class SampleWriter(PredictionWriter):
    """Writes predicted samples into ``predictions/`` in the run's directory.

    ``samples.pt`` (a tensor) and ``samples.npz`` (key ``samples``) hold all samples
    (n, *shape), float32, in the order of their sample numbers. Images also become
    ``grid.png`` and one ``images/<number>.png`` each, 2-D points ``scatter.png``.
    See `PredictionWriter` for the directory, and for several processes.

    Args:
        grid_size: Largest number of images in the grid.

    Raises:
        ValueError: If ``grid_size`` is below 1, or a batch of ``predict`` does not
            hold sample numbers (n,), int64, and give as many samples.
    """

    def __init__(self, grid_size: int = 64) -> None:
        super().__init__()
        check_at_least(1, grid_size=grid_size)
        self.grid_size = grid_size

    @override
    def keep(self, pl_module: LightningModule, outputs: Any, batch: Any) -> None:
        numbered = isinstance(batch, Tensor) and batch.dtype == torch.int64
        if not numbered or batch.shape != outputs.shape[:1]:
            raise ValueError(
                "SampleWriter needs predict batches of sample numbers, int64 of shape "
                "(n,), and one sample for each: remove it from trainer.callbacks."
            )
        self.keep_finite("samples", batch, outputs)

    @override
    def fill(self, directory: Path, numbers: Tensor, rows: Tensor) -> None:
        """Write the samples, and draw them if they are images or 2-D points."""
        write_whole(directory / "samples.pt", lambda file: torch.save(rows, file))
        np.savez(directory / "samples.npz", samples=rows.numpy())
        if rows.ndim == 4 and rows.shape[1] in (1, 3):
            self._draw(rows, directory)
        elif rows.ndim == 2 and rows.shape[1] == 2:
            plot = point_plot(rows, f"{len(rows)} samples")
            save_png(plot, directory / "scatter.png")

    def _draw(self, images: Tensor, directory: Path) -> None:
        save_png(image_grid(images[: self.grid_size]), directory / "grid.png")
        for number, image in enumerate(images):
            pixels = image_grid(image[None], scale=1, gap=0)
            save_png(pixels, directory / "images" / f"{number:05d}.png")
