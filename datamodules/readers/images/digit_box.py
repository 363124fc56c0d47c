"""Digits brought to where MNIST has them, whatever their size in their files."""

import torch
from torch import Tensor

CHUNK = 4_096
"""Images changed at a time."""
FAINT = 0.2
"""Share of an image's brightest pixel up to which a pixel is background."""
BOX = 20 / 28
"""Share of the image that the longer side of a digit takes in MNIST."""


def in_mnist_box(x: Tensor, size: int) -> Tensor:
    """Grey digits on black as MNIST places them.

    The ink is cropped, its longer side scaled to 20/28 of the image with its
    proportions kept (linearly, averaging pixels where it gets smaller), and its centre
    of mass put in the middle. USPS fills its images to the edge, so that its digits
    are larger than MNIST's by half and not where a network from MNIST looks for them.

    Args:
        x: uint8 (n, 1, height, width).
        size: Height and width afterwards.

    Returns:
        uint8 (n, 1, size, size); an image that is all black stays so.

    References:
        LeCun, Bottou, Bengio, Haffner 1998, doi:10.1109/5.726791, section III A.

    >>> dot = torch.zeros(1, 1, 16, 16, dtype=torch.uint8)
    >>> dot[..., 0:4, 0:4] = 255
    >>> in_mnist_box(dot, 28)[0, 0, 13:15, 3:6].tolist()
    [[102, 153, 204], [102, 153, 204]]
    """
    placed = x.new_empty(len(x), 1, size, size)
    for old, new in zip(torch.split(x, CHUNK), torch.split(placed, CHUNK), strict=True):
        new.copy_(_placed(old.double(), size).clamp(0, 255).round())
    return placed


def _placed(x: Tensor, size: int) -> Tensor:
    """Digits (n, 1, h, w), all black or not, in the box: (n, 1, size, size)."""
    brightest = x.amax((1, 2, 3), keepdim=True)
    ink = (x > FAINT * brightest)[:, 0]
    (top, bottom), (left, right) = _ends(ink.any(2)), _ends(ink.any(1))
    longer = torch.maximum(bottom - top, right - left)
    scale = BOX * size / longer
    centre = torch.stack([top + bottom, left + right], 1) / 2
    middle = torch.full_like(centre, size / 2)
    boxed = _resampled(x, scale, centre, middle, size)
    return _resampled(x, scale, centre, 2 * middle - _centre_of_mass(boxed), size)


def _ends(marked: Tensor) -> tuple[Tensor, Tensor]:
    """Where the marked places of rows (n, m) begin and end; 0 and m without any."""
    marked = marked.double()
    return marked.argmax(1).double(), marked.shape[1] - marked.flip(1).argmax(1)


def _centre_of_mass(x: Tensor) -> Tensor:
    """Of images (n, 1, m, m): (n, 2), in pixels; the middle of one without ink."""
    size = x.shape[-1]
    places = torch.arange(size, dtype=x.dtype) + 0.5
    mass = x.sum((1, 2, 3))
    moments = torch.stack([x.sum((1, 3)) @ places, x.sum((1, 2)) @ places], 1)
    return torch.where(mass > 0, moments.T / mass, size / 2).T


def _resampled(
    x: Tensor, scale: Tensor, source: Tensor, target: Tensor, size: int
) -> Tensor:
    """Images scaled so that the point ``source`` (n, 2) comes to ``target`` (n, 2)."""
    down, across = (
        _weights(x.shape[2 + axis], scale, source[:, axis], target[:, axis], size)
        for axis in (0, 1)
    )
    return down[:, None] @ x @ across[:, None].mT


def _weights(
    n: int, scale: Tensor, source: Tensor, target: Tensor, size: int
) -> Tensor:
    """Shares (m, size, n) of n pixels in ``size`` others: triangles of a pixel's width.

    The wider of an old and a new pixel counts, so that none is skipped.
    """
    places = torch.arange(size, dtype=scale.dtype) + 0.5
    places = (places - target[:, None]) / scale[:, None] + source[:, None]
    pixels = torch.arange(n, dtype=scale.dtype) + 0.5
    width = (1 / scale).clamp(min=1)[:, None, None]
    return (1 - (pixels - places[..., None]).abs() / width).clamp(min=0) / width
