"""Losses of GAN and Wasserstein critics, as functions of scores.

A critic (in a GAN: the discriminator before its sigmoid) maps n samples to a
vector of n scores. A column (n, 1) is refused, because subtracting a column from
a vector would silently give an (n, n) table.
"""

import math

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus


def _vector(scores: Tensor) -> Tensor:
    if scores.ndim != 1:
        raise ValueError(
            f"Scores must be a vector (n,), got shape {tuple(scores.shape)}: end the "
            "critic in .squeeze(-1) or .flatten()."
        )
    return scores


def discriminator_loss(
    real: Float[Tensor, "..."], fake: Float[Tensor, "..."]
) -> Tensor:
    r"""Cross entropy of the discriminator, on logits (eq. 1).

    .. math:: L_D = -E_{x \sim P_r} \log D(x) - E_{x \sim P_g} \log(1 - D(x)),
              \qquad D = \sigma(\text{logit})

    Args:
        real: Logits of data samples, shape (n,), unitless.
        fake: Logits of generated samples, shape (m,).

    Returns:
        Scalar in nats, finite for every finite logit.

    Raises:
        ValueError: If the logits are not vectors.

    References:
        Goodfellow et al. 2014, arXiv:1406.2661.

    >>> import torch
    >>> discriminator_loss(torch.zeros(4), torch.zeros(4))  # D = 1/2: 2 log 2
    tensor(1.3863)
    """
    return softplus(-_vector(real)).mean() + softplus(_vector(fake)).mean()


def saturating_generator_loss(fake: Float[Tensor, "..."]) -> Tensor:
    r"""Minimax cost of the generator (eq. 2).

    .. math:: L_G = E_{x \sim P_g} \log(1 - D(x))

    Its gradient vanishes where the discriminator is certain (arXiv:1701.04862, fig. 2).

    Args:
        fake: Logits of generated samples, shape (n,).

    Returns:
        Scalar in nats, never positive.

    Raises:
        ValueError: If the logits are not a vector.

    >>> import torch
    >>> saturating_generator_loss(torch.zeros(4))
    tensor(-0.6931)
    """
    return -softplus(_vector(fake)).mean()


def non_saturating_generator_loss(fake: Float[Tensor, "..."]) -> Tensor:
    r"""Non-saturating "-log D" cost of the generator (eq. 3).

    .. math:: L_G = E_{x \sim P_g}[-\log D(x)]

    Args:
        fake: Logits of generated samples, shape (n,).

    Returns:
        Scalar in nats, never negative.

    Raises:
        ValueError: If the logits are not a vector.

    >>> import torch
    >>> non_saturating_generator_loss(torch.zeros(4))
    tensor(0.6931)
    """
    return softplus(-_vector(fake)).mean()


def jensen_shannon_estimate(loss: Float[Tensor, ""]) -> Tensor:
    """Lower bound on the Jensen-Shannon divergence from the discriminator's loss.

    Eq. 11 solved for JS: with the optimal discriminator, JS = log 2 - loss / 2, and
    any other discriminator gives less. The value is in nats, at most log 2; below 1e-7
    it is the rounding of a float32 loss.

    >>> import torch
    >>> jensen_shannon_estimate(discriminator_loss(torch.zeros(1), torch.zeros(1)))
    tensor(0.)
    """
    return math.log(2.0) - loss / 2


def wasserstein_critic_loss(
    real: Float[Tensor, "..."], fake: Float[Tensor, "..."]
) -> Tensor:
    r"""Negated dual estimate of the Wasserstein-1 distance (eq. 34).

    .. math:: L_D = E_{x \sim P_g} f(x) - E_{x \sim P_r} f(x)

    Args:
        real: Critic scores of data samples, shape (n,), in units of f.
        fake: Critic scores of generated samples, shape (m,).

    Returns:
        Scalar; the critic descends it. ``-loss`` is at most K times the distance
        where f is K-Lipschitz, so an estimate of W1 only when K is 1.

    Raises:
        ValueError: If the scores are not vectors.

    References:
        Arjovsky et al. 2017, arXiv:1701.07875, eq. 2.

    >>> import torch
    >>> wasserstein_critic_loss(torch.tensor([3.0]), torch.tensor([1.0]))
    tensor(-2.)
    """
    return _vector(fake).mean() - _vector(real).mean()


def wasserstein_generator_loss(fake: Float[Tensor, "..."]) -> Tensor:
    r"""Generator's part of the dual (eq. 35).

    .. math:: L_G = -E_{x \sim P_g} f(x)

    Args:
        fake: Critic scores of generated samples, shape (n,).

    Returns:
        Scalar; the generator descends it.

    Raises:
        ValueError: If the scores are not a vector.

    >>> import torch
    >>> wasserstein_generator_loss(torch.tensor([1.0, 3.0]))
    tensor(-2.)
    """
    return -_vector(fake).mean()
