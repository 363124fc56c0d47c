"""The same latents, drawn again and again while the generator learns."""

from typing import Any

import lightning.pytorch as pl
from torch import Tensor

from callbacks.core.scalars import at_least_one, due, generative
from callbacks.plotting.images import Picture, image_grid, log_picture
from callbacks.plotting.plots import scatter
from callbacks.runs.ema import averaged_player
from lightning_modules.generative.base import samples_of

IMAGES = 64
POINTS = 2000


class SampleGrid(pl.Callback):
    """Draws samples from fixed latents every so many player updates and at the end.

    Images become a grid, 2-D points a scatter over real points. The latents come from
    their own seed, so they are the same after a resume and in every run with this
    seed, and training draws the same numbers with or without this callback.

    Args:
        every_n_steps: Player updates between two pictures.
        n_samples: Samples in a picture; None means 64 images or 2,000 points.
        scale: Whole factor by which images are enlarged; None makes cells of about
            64 pixels.
        seed: Seed of the latents.
        key: Name of the picture in the logger and folder of the PNG files.

    Raises:
        ValueError: If a count is below 1, or, when training starts, if the samples
            are neither images nor 2-D points.
    """

    def __init__(
        self,
        every_n_steps: int = 500,
        n_samples: int | None = None,
        scale: int | None = None,
        seed: int = 0,
        key: str = "samples",
    ) -> None:
        self.every_n_steps = at_least_one("every_n_steps", every_n_steps)
        for name, count in (("n_samples", n_samples), ("scale", scale)):
            if count is not None:
                at_least_one(name, count)
        self.n_samples = n_samples
        self.scale = scale
        self.seed = seed
        self.key = key
        self._last_step = -1
        self._real: Tensor | None = None

    def setup(
        self,
        trainer: pl.Trainer,  # noqa: ARG002
        pl_module: pl.LightningModule,
        stage: str,  # noqa: ARG002
    ) -> None:
        """Refuse a module that has nothing to draw."""
        generative(self, pl_module)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ARG002
        batch: Any,
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Draw when a player update that is due has just been made."""
        if self._real is None:
            self._real = _reference(trainer, samples_of(batch))
        if due(trainer, pl_module, self.every_n_steps):
            self._draw(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw the finished generator, unless its picture is there already."""
        if trainer.global_step != self._last_step and self._real is not None:
            self._draw(trainer, pl_module)

    def _draw(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._last_step = trainer.global_step
        if not trainer.is_global_zero:
            return
        assert self._real is not None
        caption = f"step {trainer.global_step}"
        picture = self.picture(trainer, pl_module, self._real, caption)
        log_picture(trainer, self.key, picture, trainer.global_step, caption)

    def picture(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        real: Tensor,
        caption: str,
    ) -> Picture:
        """The picture of the generator as it is now, with EMA weights if it has any."""
        n = self.n_samples or (POINTS if real.ndim == 2 else IMAGES)
        with averaged_player(trainer, pl_module):
            samples = generative(self, pl_module).sample(n, seed=self.seed)
        if samples.ndim == 2:
            return scatter(real, samples, caption)
        return image_grid(samples, scale=self.scale)


def _reference(trainer: pl.Trainer, batch: Tensor) -> Tensor:
    """Real data to draw points over: enough of the training set, or this batch."""
    if batch.ndim == 4 and batch.shape[1] in (1, 3):
        return batch[:1]
    if batch.ndim != 2 or batch.shape[1] != 2:
        raise ValueError(
            "SampleGrid draws images with 1 or 3 channels and 2-D points, not samples "
            f"of shape {tuple(batch.shape[1:])}: take it out of trainer.callbacks."
        )
    real = getattr(trainer.datamodule, "real", None)  # type: ignore[attr-defined]
    return batch.detach().cpu() if real is None else real("train", POINTS)
