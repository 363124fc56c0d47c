"""Classes that are more frequent in one domain than in the other."""

import torch
from torch import Tensor, nn

from lightning_modules.core.distributed import rows_of_all_ranks

MEMORY = 0.99  # of the running shares
LARGEST = 8.0  # weight of a row


class ClassShares(nn.Module):
    r"""Class shares of both domains, and the weights of source rows that equal them.

    Matching the features of domains whose classes are not equally frequent moves rows
    into classes that they don't belong to. With source rows weighted by
    :math:`w_y = \hat p_T(y) / \hat p_S(y)` nothing of the shares is left to match.
    Those of the target are the running mean of the classifier's probabilities. To
    correct these by the shares so far, as expectation maximisation does (Saerens et al.
    2002), finds more of a shift where the classifier is calibrated, and runs away where
    it is not.

    Args:
        n_classes: Number of classes.

    References:
        Tachet des Combes et al. 2020, arXiv:2003.04475 (weights); Wu et al. 2019,
        arXiv:1903.01689 (why matching hurts); Saerens, Latinne, Decaestecker 2002,
        Neural Computation 14.

    >>> shares = ClassShares(2)
    >>> shares.update(torch.tensor([0, 1]), torch.tensor([[9.0, 0.0], [9.0, 0.0]]))
    >>> shares.weights(torch.tensor([0, 1]))[0] > 1
    tensor(True)
    """

    source: Tensor
    target: Tensor

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        for name in ("source", "target"):
            self.register_buffer(name, torch.full((n_classes,), 1 / n_classes))

    def update(self, labels: Tensor, target_logits: Tensor) -> None:
        """Take in a batch: labels (n,) of the source, logits (m, k) of the target."""
        with torch.no_grad():
            k, found = len(self.source), target_logits.float().softmax(1).mean(0)
            counted = nn.functional.one_hot(labels, k).float().mean(0)
            both = rows_of_all_ranks(torch.stack([counted, found])).mean(0)
            self.source.lerp_(both[0], 1 - MEMORY)
            self.target.lerp_(both[1], 1 - MEMORY)

    def weights(self, labels: Tensor) -> Tensor:
        """Weights (n,) of source rows with these labels (n,), 1 on average."""
        weights = self._ratio()[labels]
        return weights / weights.mean()

    def _ratio(self) -> Tensor:
        tiny = torch.finfo(torch.float32).tiny
        return (self.target / self.source.clamp_min(tiny)).clamp_max(LARGEST)


def check_label_shift(name: str, *, asked: bool, weighs_rows: bool) -> None:
    """Refuse ``label_shift`` of a method whose term does not weigh rows."""
    if asked and not weighs_rows:
        raise ValueError(
            f"model.label_shift is not for {name}: choose WDGRL, MMD or DeepJDOT, or "
            "leave it out."
        )
