"""Histogram of a critic's weights, and how many of them are clipped."""

from collections.abc import Iterable
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor
from typing_extensions import override

from callbacks.core.every_n_steps import EveryNSteps
from callbacks.core.loggers import log_media, log_scalars
from callbacks.core.requirements import require_critic
from callbacks.plotting.images import write_picture
from callbacks.plotting.plots import finite, histogram, subject
from lightning_modules.data_contracts.contracts import ClipsWeights


class CriticWeights(EveryNSteps):
    """Histogram of the critic's weights, and the share of them at the clipping bound.

    A clipped critic is driven towards weights of +-c (arXiv:1704.00028, figure 1b);
    ``train/clip_saturation`` near 1 says that it computes little more than a sign
    pattern. It is logged for modules that clip their weights.

    Args:
        every_n_steps: Generator updates between two measurements.

    Raises:
        ValueError: If the number is below 1, or the module has no critic.
    """

    def __init__(self, every_n_steps: int = 500) -> None:
        super().__init__(every_n_steps)

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        require_critic(self, pl_module)

    @override
    def on_step(self, trainer: Trainer, pl_module: LightningModule, batch: Any) -> None:
        if not trainer.is_global_zero:
            return
        clip = None
        if isinstance(pl_module, ClipsWeights):
            clip = pl_module.clip
            saturation = clip_saturation(_flat(pl_module.clipped_parameters()), clip)
            log_scalars(trainer, {"train/clip_saturation": saturation})
        critic = require_critic(self, pl_module).get_submodule("critic")
        weights = _flat(critic.parameters())
        _log_histogram(trainer, pl_module, finite(weights), clip)


def _flat(parameters: Iterable[Tensor]) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in parameters])


def clip_saturation(weights: Tensor, clip: float) -> Tensor:
    """Share of the weights that are at +-clip, in [0, 1].

    >>> clip_saturation(torch.tensor([-0.01, 0.01, 0.0, 0.005]), 0.01)
    tensor(0.5000)
    """
    # A float32 clamped to a float64 bound lands within half an ulp of it.
    return (weights.abs() >= clip * (1 - 1e-6)).float().mean()


def _log_histogram(
    trainer: Trainer, module: LightningModule, weights: Tensor, clip: float | None
) -> None:
    key, step = "critic_weights", trainer.global_step

    def to_wandb(logger: Any) -> None:
        import wandb

        value = wandb.Histogram(weights.tolist(), num_bins=64)
        logger.log_metrics({key: value}, step=step)

    def to_tensorboard(logger: Any) -> None:
        logger.experiment.add_histogram(key, weights, step)

    if not log_media(trainer, to_wandb, to_tensorboard):
        bounds = () if clip is None else (-clip, clip)
        caption = f"critic weights, step {step}"
        title = f"{subject(trainer, module)}: {caption}"
        plot = histogram(weights, title, "weight", bounds)
        write_picture(trainer, key, plot, step, caption)
