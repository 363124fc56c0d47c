"""Where clipping pushes the critic's weights."""

from collections.abc import Iterable
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger
from torch import Tensor, nn

from callbacks.core.scalars import at_least_one, due, log_scalars
from callbacks.plotting.images import log_picture
from callbacks.plotting.plots import finite, histogram


class CriticWeights(pl.Callback):
    """Histogram of the critic's weights, and the share of them at the clipping bound.

    A clipped critic is driven towards weights of +-c (arXiv:1704.00028, figure 1b);
    ``train/clip_saturation`` near 1 says that it computes little more than a sign
    pattern. It is logged for modules that have a ``clip``.

    Args:
        every_n_steps: Player updates between two measurements.
    """

    def __init__(self, every_n_steps: int = 500) -> None:
        self.every_n_steps = at_least_one("every_n_steps", every_n_steps)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ARG002
        batch: Any,  # noqa: ARG002
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Measure when a player update that is due has just been made."""
        if (
            not due(trainer, pl_module, self.every_n_steps)
            or not trainer.is_global_zero
        ):
            return
        critic = pl_module.critic
        assert isinstance(critic, nn.Module)
        clip: float | None = getattr(pl_module, "clip", None)
        if clip is not None:
            clipped = getattr(pl_module, "clipped_parameters", critic.parameters)()
            saturation = clip_saturation(_flat(clipped), clip)
            log_scalars(trainer, {"train/clip_saturation": saturation})
        _log_histogram(trainer, finite(_flat(critic.parameters())), clip)


def _flat(parameters: Iterable[Tensor]) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in parameters])


def clip_saturation(weights: Tensor, clip: float) -> Tensor:
    """Share of the weights that stand at +-clip, in [0, 1].

    >>> clip_saturation(torch.tensor([-0.01, 0.01, 0.0, 0.005]), 0.01)
    tensor(0.5000)
    """
    # A float32 clamped to a float64 bound lands within half an ulp of it.
    return (weights.abs() >= clip * (1 - 1e-6)).float().mean()


def _log_histogram(trainer: pl.Trainer, weights: Tensor, clip: float | None) -> None:
    key, step, taken = "critic_weights", trainer.global_step, False
    for logger in trainer.loggers:
        if isinstance(logger, WandbLogger):
            import wandb

            value: Any = wandb.Histogram(weights.tolist(), num_bins=64)
            logger.log_metrics({key: value}, step=step)
            taken = True
        elif isinstance(logger, TensorBoardLogger):
            logger.experiment.add_histogram(key, weights, step)
            taken = True
    if not taken:
        marks = () if clip is None else (-clip, clip)
        caption = f"critic weights, step {step}"
        picture = histogram(weights, caption, "weight", marks)
        log_picture(trainer, key, picture, step, caption)
