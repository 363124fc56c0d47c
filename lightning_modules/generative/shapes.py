"""Check of the sample shapes of generator, critic and data."""

import torch
from torch import Tensor, nn


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
