"""Samples of the same latents, drawn while the generator learns."""

from typing import Any

from lightning.pytorch import LightningModule, Trainer
from torch import Tensor
from typing_extensions import override

from callbacks.core.every_n_steps import EveryNSteps
from callbacks.core.requirements import require_generator
from callbacks.plotting.images import Pixels, image_grid, log_picture
from callbacks.plotting.plots import scatter, subject
from callbacks.runs.ema import averaged_network
from lightning_modules.core.validation import check_at_least, check_seed
from lightning_modules.data_contracts.batches import samples_of
from lightning_modules.data_contracts.contracts import SampleSource, data_of

IMAGES = 64
POINTS = 2000


class SampleGrid(EveryNSteps):
    """Draws samples from fixed latents every n generator updates and at the end.

    Images become a grid, 2-D points a scatter over real points. The latents come from
    their own seed, so they are the same after a resume and in every run with this
    seed, and training draws the same numbers with or without this callback.

    Args:
        every_n_steps: Generator updates between two images.
        n_samples: Samples in an image; None means 64 images or 2,000 points.
        scale: Whole factor by which images are enlarged; None makes cells of about
            64 pixels.
        seed: Seed of the latents.
        key: Name of the image in the logger and folder of the PNG files.

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
        super().__init__(every_n_steps)
        check_at_least(1, n_samples=n_samples, scale=scale)
        check_seed(seed=seed)
        self.n_samples, self.scale = n_samples, scale
        self.seed, self.key = seed, key
        self._last_step = -1
        self._real: Tensor | None = None

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        require_generator(self, pl_module)

    @override
    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, _: int
    ) -> None:
        """Keep real data to draw points over, once."""
        if self._real is None:
            self._real = self._reference(trainer, samples_of(batch))

    @override
    def on_step(self, trainer: Trainer, pl_module: LightningModule, batch: Any) -> None:
        self._draw(trainer, pl_module)

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the finished generator, unless its image is there already."""
        if trainer.global_step != self._last_step and self._real is not None:
            self._draw(trainer, pl_module)

    def _draw(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._last_step = trainer.global_step
        if not trainer.is_global_zero:
            return
        assert self._real is not None
        caption = f"step {trainer.global_step}"
        image = self.image(trainer, pl_module, self._real, caption)
        log_picture(trainer, self.key, image, trainer.global_step, caption)

    def image(
        self, trainer: Trainer, pl_module: LightningModule, real: Tensor, caption: str
    ) -> Pixels:
        """Samples of the generator as it is now, with EMA weights if it has any."""
        n = self.n_samples or (POINTS if real.ndim == 2 else IMAGES)
        with averaged_network(trainer, pl_module):
            samples = require_generator(self, pl_module).sample(n, seed=self.seed)
        if samples.ndim == 2:
            title = f"{subject(trainer, pl_module)}, {caption}"
            return scatter(real, samples, title)
        return image_grid(samples, scale=self.scale)

    def _reference(self, trainer: Trainer, batch: Tensor) -> Tensor:
        """Real data to draw points over: enough of the training set, or this batch."""
        if batch.ndim == 4 and batch.shape[1] in (1, 3):
            return batch[:1]
        if batch.ndim != 2 or batch.shape[1] != 2:
            raise ValueError(
                "SampleGrid draws images with 1 or 3 channels and 2-D points, not "
                f"samples of shape {tuple(batch.shape[1:])}: remove it from "
                "trainer.callbacks."
            )
        data = data_of(trainer)
        if isinstance(data, SampleSource):
            return data.real("train", POINTS)
        return batch.detach().cpu()
