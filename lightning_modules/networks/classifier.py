"""A small convolutional classifier for evaluating generated images."""

import torch
from torch import Tensor, nn

from lightning_modules.core.recipe import remembers


def _block(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(n_out),
        nn.ReLU(),
    )


@remembers
class ConvClassifier(nn.Module):
    """Images (n, c, h, w) to logits: three convolutions and a hidden layer.

    The activations of the hidden layer serve as features.

    With the default width, 28x28 images take about 2 million multiplications and the
    network has 62,000 weights. BatchNorm is harmless here: there is no gradient
    penalty, and features are computed in eval mode.

    Args:
        shape: Channels, height and width of an image; height and width at least 8.
        n_classes: Number of classes.
        width: Channels of the first convolution. There are ``4 * width`` features:
            few enough that 10,000 images determine their covariance well.

    Attributes:
        num_features: Number of features, which torchmetrics' FID reads.

    Raises:
        ValueError: If the images are smaller than 8x8.

    >>> network = ConvClassifier((1, 28, 28))
    >>> x = torch.zeros(5, 1, 28, 28)
    >>> network(x).shape, network.features(x).shape
    (torch.Size([5, 10]), torch.Size([5, 64]))
    """

    def __init__(
        self, shape: tuple[int, int, int], n_classes: int = 10, width: int = 16
    ) -> None:
        super().__init__()
        channels, height, side = shape
        if min(height, side) < 8:
            raise ValueError(f"shape must be at least (c, 8, 8), got {tuple(shape)}.")
        if n_classes < 2 or width < 1:
            raise ValueError(
                f"n_classes must be at least 2 and width at least 1, got {n_classes} "
                f"and {width}."
            )
        self.num_features = 4 * width
        # Small images can't afford to lose half of their pixels at the start.
        stride = 2 if min(height, side) >= 16 else 1
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width, 5, stride=stride, padding=2, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )
        self.body = nn.Sequential(
            _block(width, 2 * width),
            nn.MaxPool2d(2),
            _block(2 * width, 4 * width),
            nn.MaxPool2d(2),
            nn.Flatten(),
        )
        with torch.no_grad():
            flat = self.body(self.stem(torch.zeros(2, *shape))).shape[1]
        self.hidden = nn.Sequential(
            nn.Linear(flat, self.num_features, bias=False),
            nn.BatchNorm1d(self.num_features),
            nn.ReLU(),
        )
        self.head = nn.Linear(self.num_features, n_classes)
        self.reset_running_statistics()

    def reset_running_statistics(self) -> None:
        """Reset BatchNorm's statistics, which the constructor's test pass changed."""
        for layer in self.modules():
            if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
                layer.reset_running_stats()

    def features(self, x: Tensor) -> Tensor:
        """Images (n, c, h, w) in [-1, 1] to features (n, num_features), at least 0."""
        hidden: Tensor = self.hidden(self.body(self.stem(x)))
        return hidden

    def forward(self, x: Tensor) -> Tensor:
        """Images (n, c, h, w) in [-1, 1] to logits (n, n_classes)."""
        logits: Tensor = self.head(self.features(x))
        return logits
