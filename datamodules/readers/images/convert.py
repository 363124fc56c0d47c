"""Images of different sizes and colours in one form."""

import torch
from torch import Tensor
from torchvision.transforms.v2.functional import resize

CHUNK = 4_096
"""Images converted at a time, so that 73,257 of them fit twice into memory."""


def same_form(x: Tensor, size: int, channels: int) -> Tensor:
    """Images brought to a size and a number of channels.

    Colour becomes grey by the luma weights of ITU-R BT.601, grey becomes colour by
    repetition; the size is changed bilinearly with anti-aliasing (pixels are averaged
    where images get smaller).

    Args:
        x: uint8 (n, 1 or 3, height, width).
        size: Height and width afterwards.
        channels: 1 or 3.

    Returns:
        uint8 (n, channels, size, size).

    >>> same_form(torch.full((2, 3, 32, 32), 7, dtype=torch.uint8), 16, 1).shape
    torch.Size([2, 1, 16, 16])
    """
    formed = x.new_empty(len(x), channels, size, size)
    for old, new in zip(torch.split(x, CHUNK), torch.split(formed, CHUNK), strict=True):
        part = grey(old) if channels == 1 else old
        new.copy_(resize(part, [size, size]) if part.shape[-1] != size else part)
    return formed


def grey(x: Tensor) -> Tensor:
    """The luma of colour images, rounded; grey ones stay as they are.

    Args:
        x: uint8 (n, 1 or 3, height, width).

    Returns:
        uint8 (n, 1, height, width).

    >>> grey(torch.tensor([255, 0, 0], dtype=torch.uint8).view(1, 3, 1, 1)).item()
    76
    """
    if x.shape[1] == 1:
        return x
    weights = torch.tensor([299, 587, 114]).view(3, 1, 1)
    luma = ((x * weights).sum(1, keepdim=True) + 500) // 1_000
    return luma.to(torch.uint8)
