"""Checks of the shapes and the range of samples of generator, critic and data."""

import warnings

import torch
from torch import Tensor, nn

ROUNDING = 1e-3


def check_range(real: Tensor, generator: nn.Module) -> None:
    """Warn of images outside of [-1, 1] beside a generator that ends in a tanh.

    Args:
        real: A batch of data; only images (n, c, h, w) are looked at.
        generator: Maps latents to samples.
    """
    *_, last = generator.modules()
    if real.ndim != 4 or not isinstance(last, nn.Tanh):
        return
    low, high = map(float, real.aminmax())
    if max(-low, high) > 1 + ROUNDING:
        warnings.warn(
            f"The first batch has images of {low:.4g} ... {high:.4g}, but the tanh of "
            "the generator keeps its images in [-1, 1]: bring the data to that range.",
            stacklevel=2,
        )


@torch.no_grad()
def check_shapes(samples: Tensor, critic: nn.Module, shape: tuple[int, ...]) -> None:
    """Refuse networks whose shapes do not match the data.

    Args:
        samples: A few samples of the generator, shape (n, ...) with n > 1.
        critic: Scores samples, (n, ...) to (n,).
        shape: Shape of one data sample.

    Raises:
        ValueError: Naming the network whose shape does not match.
    """
    if samples.shape[1:] != torch.Size(shape):
        raise ValueError(
            f"The generator returns samples of shape {list(samples.shape[1:])} but the "
            f"data has shape {list(shape)}: make model.generator's shape and "
            "data.image_size agree."
        )
    try:
        scores = critic(samples)
    except RuntimeError as error:
        raise ValueError(
            f"The critic does not accept samples of shape {list(shape)}: make "
            f"model.critic's shape and data.image_size agree ({error})."
        ) from None
    if scores.shape != samples.shape[:1]:
        raise ValueError(
            f"The critic must return one score per sample, shape (n,), but gave "
            f"{list(scores.shape)} for n = {len(samples)}: end it in .squeeze(-1)."
        )
