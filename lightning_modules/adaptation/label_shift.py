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
    Those of the target are estimated without its labels, by one step of expectation
    maximisation on each batch: the classifier's probabilities, times w, normalised,
    and averaged over the batches so far.

    Args:
        n_classes: Number of classes.

    References:
        Saerens, Latinne, Decaestecker 2002, "Adjusting the outputs of a classifier to
        new a priori probabilities", Neural Computation 14; for Wasserstein critics,
        Wu et al. 2019, arXiv:1903.01689 (relaxed) and Tachet des Combes et al. 2020,
        arXiv:2003.04475 (weighted).

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
            found = target_logits.float().softmax(1) * self._ratio()
            found = (found / found.sum(1, keepdim=True)).mean(0)
            k = len(self.source)
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
