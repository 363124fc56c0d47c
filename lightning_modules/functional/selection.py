"""Model-selection scores of a classifier on unlabelled target rows.

They choose between checkpoints, methods and hyper-parameters where no labelled
validation set of the target exists. None is a guarantee: a classifier that is certain
and wrong scores well on some of them, so look at several. All are computed in
float64 from logits (n, k).
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.core.validation import NotFiniteError

_ENTRIES = 2**21  # similarities in memory at once: 16 MiB of float64


def probabilities(logits: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    """Softmax of the rows, float64.

    Raises:
        ValueError: If there is no row, or a row is not a distribution because a logit
            is NaN or plus infinity.
    """
    if len(logits) == 0:
        raise ValueError("Logits must have at least one row, got none.")
    shares = logits.double().softmax(dim=1)
    if shares.isnan().any():
        raise NotFiniteError("Logits hold NaN or infinity: has training diverged?")
    return shares


def entropies(p: Float[Tensor, "n k"]) -> Float[Tensor, " n"]:
    """Entropy of each row of probabilities, in nats."""
    entropy: Tensor = torch.special.entr(p).sum(dim=1)
    return entropy


def target_entropy(logits: Float[Tensor, "n k"]) -> Float[Tensor, ""]:
    r"""Mean entropy of the predictions; lower is better.

    .. math:: \frac1n \sum_i H(p_i), \qquad H(p) = -\sum_c p_c \log p_c

    Args:
        logits: Logits of unlabelled target rows.

    Returns:
        Nats, from 0 (every prediction certain) to log k (every one uniform). It is 0
        for a classifier that puts everything into one class.

    Raises:
        ValueError: If there are no rows, or logits are NaN or infinite.

    References:
        Morerio et al. 2018, arXiv:1711.10288, who select by it.

    >>> target_entropy(torch.zeros(5, 2)).exp()
    tensor(2., dtype=torch.float64)
    """
    return entropies(probabilities(logits)).mean()


def information_maximisation(logits: Float[Tensor, "n k"]) -> Float[Tensor, ""]:
    r"""Mutual information of row and predicted class; higher is better.

    .. math:: H\bigl(\tfrac1n \sum_i p_i\bigr) - \frac1n \sum_i H(p_i)

    The first term is large where all classes are used, the second small where each
    prediction is certain.

    Args:
        logits: Logits of unlabelled target rows.

    Returns:
        Nats, from 0 (all predictions equal) to log k (certain, and all classes used
        equally often). Where the target's classes are not equally frequent, the right
        classifier is below log k.

    Raises:
        ValueError: If there are no rows, or logits are NaN or infinite.

    References:
        Bridle et al. 1991, "Unsupervised Classifiers, Mutual Information and Phantom
        Targets", NIPS 4; Musgrave et al. 2022, arXiv:2208.07360, compare it as a
        validator.

    >>> information_maximisation(100 * torch.eye(2)).exp()
    tensor(2., dtype=torch.float64)
    """
    p = probabilities(logits)
    return mutual_information(p.sum(0), entropies(p).sum(), len(p))


def mutual_information(
    sums: Float[Tensor, " k"], entropy_sum: Float[Tensor, ""], n: int | Tensor
) -> Float[Tensor, ""]:
    """`information_maximisation` of n rows from their sums, which add up over parts.

    Args:
        sums: Sum of the rows' probabilities.
        entropy_sum: Sum of the rows' entropies, in nats.
        n: Number of rows.
    """
    gain: Tensor = torch.special.entr(sums / n).sum() - entropy_sum / n
    return gain.clamp_min(0)  # Jensen's inequality, but for rounding


def soft_neighbourhood_density(
    logits: Float[Tensor, "n k"], temperature: float = 0.05
) -> Float[Tensor, ""]:
    r"""Density of the predictions' neighbourhoods (SND); higher is better.

    .. math:: \frac1n \sum_i H(q_i), \qquad
              q_{ij} \propto e^{\langle u_i, u_j \rangle / \tau} \ (j \neq i), \qquad
              u_i = p_i / \lVert p_i \rVert_2

    A row in a tight cluster has many neighbours that are equally near, so the entropy
    of the choice among them is large. Time grows with n², memory with n: similarities
    are computed a few rows at a time.

    Args:
        logits: Logits of unlabelled target rows.
        temperature: tau; 0.05 in the paper.

    Returns:
        Nats, at most log(n - 1), which is reached when all predictions are equal. So a
        classifier that puts everything into one class scores best, and values of
        different n don't compare.

    Raises:
        ValueError: If there are fewer than two rows, the temperature is not positive,
            or logits are NaN or infinite.

    References:
        Saito et al. 2021, "Tune it the Right Way", arXiv:2108.10860.

    >>> soft_neighbourhood_density(torch.zeros(4, 2)).exp()
    tensor(3.0000, dtype=torch.float64)
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}.")
    if len(logits) < 2:
        raise ValueError(f"SND needs at least two rows, got {len(logits)}.")
    unit = F.normalize(probabilities(logits), dim=1)
    size = max(1, _ENTRIES // len(unit))
    total = unit.new_zeros(())
    for first in range(0, len(unit), size):
        similar = unit[first : first + size] @ unit.T / temperature
        similar.diagonal(first).fill_(-torch.inf)
        total += entropies(similar.softmax(dim=1)).sum()
    return total / len(unit)


def batch_nuclear_norm(logits: Float[Tensor, "n k"]) -> Float[Tensor, ""]:
    r"""Nuclear norm of the matrix of predictions, per row (BNM); higher is better.

    .. math:: \frac1n \lVert P \rVert_* = \frac1n \sum_i \sigma_i(P)
              = \frac1n \operatorname{tr} (P^T P)^{1/2}

    Large where predictions are certain and differ: the sum of the singular values
    stands for the rank, as the Frobenius norm does for certainty.

    Args:
        logits: Logits of unlabelled target rows.

    Returns:
        From 1 / sqrt(n k) (all uniform) to sqrt(min(n, k) / n) (certain, and all
        classes used equally often). Values of different n don't compare.

    Raises:
        ValueError: If there are no rows, or logits are NaN or infinite.

    References:
        Cui et al. 2020, "Towards Discriminability and Diversity", arXiv:2003.12237.

    >>> batch_nuclear_norm(100 * torch.eye(2))
    tensor(1., dtype=torch.float64)
    """
    p = probabilities(logits)
    return nuclear_norm(p.T @ p, len(p))


def nuclear_norm(gram: Float[Tensor, "k k"], n: int | Tensor) -> Float[Tensor, ""]:
    """`batch_nuclear_norm` of n rows from the matrix P^T P, which adds up over parts.

    The roots of its eigenvalues are the singular values, to half of float64's digits.
    """
    squares: Tensor = torch.linalg.eigvalsh(gram)
    return squares.clamp_min(0).sqrt().sum() / n
