"""What ``predict`` leaves behind: samples as pictures and as arrays."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from matplotlib.figure import Figure
from torch import Tensor

from callbacks.plotting.images import image_grid, save_png
from callbacks.predictions.numbered_rows import NumberedRows, build_directory
from callbacks.runs.run_directory import agreed_run_directory


class SampleWriter(Callback):
    """Writes predicted samples into ``predictions/`` in the run's directory.

    ``samples.pt`` (a tensor) and ``samples.npz`` (key ``samples``) hold all samples
    (n, *shape), float32, in the order of their sample numbers. Images also become
    ``grid.png`` and one ``images/<number>.png`` each, 2-D points ``scatter.png``.
    The directory appears when it is complete; an earlier one stays, and the new one
    is then ``predictions-1``. Several processes need a common file system.

    Args:
        grid_size: Largest number of images in the grid.

    Raises:
        ValueError: If ``grid_size`` is below 1, or a batch of ``predict`` does not
            hold sample numbers (n,), int64, and give as many samples.
    """

    def __init__(self, grid_size: int = 64) -> None:
        if grid_size < 1:
            raise ValueError(f"grid_size must be at least 1, got {grid_size}.")
        self.grid_size = grid_size
        self._samples = NumberedRows()

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Forget an earlier prediction."""
        self._samples.clear()

    def on_predict_batch_end(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: LightningModule,  # noqa: ARG002
        outputs: Any,
        batch: Any,
        batch_idx: int,  # noqa: ARG002
        dataloader_idx: int = 0,  # noqa: ARG002
    ) -> None:
        """Keep the samples of a batch with their numbers."""
        numbered = isinstance(batch, Tensor) and batch.dtype == torch.int64
        if not numbered or batch.shape != outputs.shape[:1]:
            raise ValueError(
                "SampleWriter needs predict batches of sample numbers, int64 of shape "
                "(n,), and one sample for each: take it out of trainer.callbacks."
            )
        self._samples.add(batch, outputs)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Put the parts of all ranks together and write everything."""
        if trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        target = agreed_run_directory(trainer) / "predictions"
        joined = self._samples.join(trainer, target)
        if joined is not None:
            _, samples = joined
            path = build_directory(target, lambda new: self._write(samples, new))
            trainer.print(f"Wrote {path}")
        trainer.strategy.barrier("SampleWriter")

    def _write(self, samples: Tensor, building: Path) -> None:
        torch.save(samples, building / "samples.pt")
        np.savez(building / "samples.npz", samples=samples.numpy())
        if samples.ndim == 4 and samples.shape[1] in (1, 3):
            self._draw(samples, building)
        elif samples.ndim == 2 and samples.shape[1] == 2:
            _scatter(samples, building / "scatter.png")

    def _draw(self, images: Tensor, directory: Path) -> None:
        save_png(image_grid(images[: self.grid_size]), directory / "grid.png")
        for number, image in enumerate(images):
            pixels = image_grid(image[None], scale=1, gap=0)
            save_png(pixels, directory / "images" / f"{number:05d}.png")


def _scatter(points: Tensor, path: Path) -> None:
    figure = Figure(figsize=(6.4, 6.4), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    axes.scatter(points[:, 0], points[:, 1], s=5.0, alpha=0.6, linewidths=0)
    axes.set_aspect("equal")
    axes.set_title(f"{len(points)} samples")
    figure.savefig(path)
