"""The 1,797 handwritten digits that scikit-learn ships."""

import torch
from sklearn.datasets import load_digits

from datamodules.core.arguments import at_least
from datamodules.core.in_memory import InMemoryDataModule, Splits
from datamodules.core.samplers import seeded_generator
from datamodules.core.tensor_dataset import TensorPairs

N_DIGITS = 1_797


class Digits(InMemoryDataModule):
    """Real 8x8 digits, no download: (x, y) of float32 (n, 1, 8, 8) and int64 (n,).

    The ``n_held_out`` digits kept from training serve for both validation and test;
    which ones they are does not depend on ``seed``, so that runs can be compared.
    The 899 others are about one half. With 0 held out, all 1,797 are used for
    everything.

    Args:
        batch_size: Digits in a batch of one process.
        n_held_out: Digits kept out of training. 898 is one half.
        num_workers: Worker processes that slice batches; 0 is fastest for data in
            memory, and the batches are the same for any number.
        seed: Seed of the order of the training digits.
        n_predict: How many samples ``predict`` draws.

    References:
        https://archive.ics.uci.edu/dataset/80 (its test part).

    >>> digits = Digits(batch_size=64)
    >>> digits.real("train").shape, digits.real("test").shape
    (torch.Size([899, 1, 8, 8]), torch.Size([898, 1, 8, 8]))
    """

    levels = 16.0
    num_classes = 10
    shape = (1, 8, 8)

    def __init__(
        self,
        batch_size: int = 64,
        n_held_out: int = 898,
        num_workers: int = 0,
        seed: int = 0,
        n_predict: int = 64,
    ) -> None:
        super().__init__(batch_size, num_workers, seed, n_predict)
        at_least("n_held_out", n_held_out, 0)
        if n_held_out >= N_DIGITS:
            raise ValueError(
                f"data.n_held_out is {n_held_out}, but there are {N_DIGITS} digits; "
                "set it to at most 1796."
            )
        self.n_held_out = n_held_out

    def read(self) -> Splits:
        """All digits in a fixed random order, cut in two."""
        pixels, labels = load_digits(return_X_y=True)
        x = torch.from_numpy(pixels).to(torch.uint8).view(-1, *self.shape)
        y = torch.from_numpy(labels).long()
        order = torch.randperm(N_DIGITS, generator=seeded_generator("digits", 0))
        digits = TensorPairs(x, y).part(order)
        if not self.n_held_out:
            return digits, digits, digits
        held_out = digits.part(slice(N_DIGITS - self.n_held_out, None))
        return digits.part(slice(N_DIGITS - self.n_held_out)), held_out, held_out
