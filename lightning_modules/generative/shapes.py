"""Whether generator, critic and data agree on the shape of a sample."""

import torch
from torch import Tensor, nn


@torch.no_grad()
def check_shapes(made: Tensor, critic: nn.Module, shape: tuple[int, ...]) -> None:
    """Refuse networks that do not fit the data.

    Args:
        made: A few samples of the generator, shape (n, ...) with n > 1.
        critic: Scores samples, (n, ...) to (n,).
        shape: Shape of one data sample.

    Raises:
        ValueError: Naming the side that does not fit.
    """
    if made.shape[1:] != torch.Size(shape):
        raise ValueError(
            f"The generator makes samples of shape {list(made.shape[1:])} but the data "
            f"has shape {list(shape)}: make model.generator's shape and "
            "data.image_size agree."
        )
    try:
        scores = critic(made)
    except RuntimeError as error:
        raise ValueError(
            f"The critic does not take samples of shape {list(shape)}: make "
            f"model.critic's shape and data.image_size agree ({error})."
        ) from None
    if scores.shape != made.shape[:1]:
        raise ValueError(
            f"The critic must return one score per sample, shape (n,), but gave "
            f"{list(scores.shape)} for n = {len(made)}: end it in .squeeze(-1)."
        )
