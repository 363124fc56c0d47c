"""Divergences that GAN losses estimate with an optimal discriminator (eq. 4-14).

Discrete distributions are vectors of probabilities; distributions given by samples are
compared through the discriminator's logits, whose optimum is the log density ratio
(for JS: `adversarial.jensen_shannon_estimate` of the discriminator's loss).
"""

import torch
from jaxtyping import Float
from torch import Tensor


def optimal_discriminator(
    real: Float[Tensor, "..."], fake: Float[Tensor, "..."]
) -> Float[Tensor, "..."]:
    r"""Optimal discriminator (eq. 6); 1/2 where both densities are 0.

    .. math:: D^*(x) = \frac{P_r(x)}{P_r(x) + P_g(x)}

    the root of eq. (5), the derivative of eq. (4).

    Args:
        real: Densities or probabilities of the data at some points.
        fake: Those of the generator at the same points.

    >>> optimal_discriminator(torch.tensor([0.5, 0.5]), torch.tensor([0.5, 0.0]))
    tensor([0.5000, 1.0000])
    """
    total = real + fake
    positive = total > 0
    return torch.where(positive, real / torch.where(positive, total, 1.0), 0.5)


def discriminator_objective(
    real: Float[Tensor, " k"], fake: Float[Tensor, " k"], scores: Float[Tensor, " k"]
) -> Float[Tensor, ""]:
    r"""Discriminator loss on two discrete distributions (eq. 1, the sum of eq. 4).

    .. math:: -\sum_k P_r(k) \log D(k) - \sum_k P_g(k) \log(1 - D(k))

    At the optimum it is :math:`2 \log 2 - 2 JS(P_r, P_g)`: the negative of eq. (7),
    and eq. (11).

    Args:
        real: Probabilities of the data, shape (k,).
        fake: Probabilities of the generator.
        scores: D(k), in [0, 1].

    Returns:
        Scalar in nats; infinite if D is certain and wrong.

    >>> half = torch.tensor([0.5, 0.5])
    >>> discriminator_objective(half, half, half)  # 2 log 2
    tensor(1.3863)
    """
    return -(torch.xlogy(real, scores) + torch.xlogy(fake, 1 - scores)).sum()


def kl_divergence(
    p: Float[Tensor, "... k"], q: Float[Tensor, "... k"]
) -> Float[Tensor, "..."]:
    r"""Kullback-Leibler divergence of two discrete distributions (eq. 9), in nats.

    .. math:: KL(p \| q) = \sum_k p_k \log \frac{p_k}{q_k}

    Args:
        p: Probabilities, shape (..., k).
        q: Probabilities, like p.

    Returns:
        Shape (...), not negative; infinite where q is 0 and p is not. Probabilities are
        assumed to sum to 1. At p_k = 0 the slope is infinite and autograd gives NaN:
        differentiate through a softmax, which is never 0.

    >>> kl_divergence(torch.tensor([1.0, 0.0]), torch.tensor([0.5, 0.5]))
    tensor(0.6931)
    """
    # With - p + q each term is at least 0, and so is the sum, rounding included. Those
    # of near laws are far smaller than what they are differences of: hence `exact`.
    dtype, (p, q) = torch.promote_types(p.dtype, q.dtype), (exact(p), exact(q))
    terms = torch.xlogy(p, p) - torch.xlogy(p, q) - p + q
    return terms.clamp_min(0).sum(-1).to(dtype)


def js_divergence(
    p: Float[Tensor, "... k"], q: Float[Tensor, "... k"]
) -> Float[Tensor, "..."]:
    r"""Jensen-Shannon divergence of two discrete distributions (eq. 10), in nats.

    .. math:: JS(p \| q) = \tfrac12 KL(p \| \tfrac{p+q}{2})
              + \tfrac12 KL(q \| \tfrac{p+q}{2})

    It is log 2 for every pair of disjoint distributions, however distant: its gradient
    is 0 there, unlike that of W1.

    Args:
        p: Probabilities, shape (..., k).
        q: Probabilities, like p.

    >>> js_divergence(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]))  # log 2
    tensor(0.6931)
    """
    dtype, (p, q) = torch.promote_types(p.dtype, q.dtype), (exact(p), exact(q))
    middle = (p + q) / 2
    return ((kl_divergence(p, middle) + kl_divergence(q, middle)) / 2).to(dtype)


def exact(x: Tensor) -> Tensor:
    """The same numbers in float64, where the device has that."""
    return x if x.device.type == "mps" else x.double()


def kl_from_logits(logits: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    r"""KL(P || Q) from logits of samples of P (eq. 12).

    .. math:: KL(P \| Q) \approx \frac1n \sum_i \log \frac{D(x_i)}{1 - D(x_i)},
              \quad x_i \sim P

    for the optimal discriminator D of P (labelled 1) against Q; its logit is the log
    ratio of the densities. Eq. (12) has P_g for P: with a discriminator that labels
    data 1 that is ``kl_from_logits(-critic(fake))``. For any other D the value
    is not even a bound.

    Args:
        logits: Discriminator's logits on samples of P, shape (n,).

    >>> kl_from_logits(torch.tensor([1.0, 3.0]))
    tensor(2.)
    """
    return logits.mean()
