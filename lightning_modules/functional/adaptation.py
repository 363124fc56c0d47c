"""Distances between the features of two domains, as differentiable losses.

The losses of WDGRL's baselines. Rows are features (n, d) and (m, d)
of a source and a target batch.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from .divergence import exact
from .transport import optimal_transport

RBF_WIDTHS = (
    *(1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1),
    *(1.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0),
    *(100.0, 1e3, 1e4, 1e5, 1e6),
)
"""The 19 kernel widths of domain separation networks (arXiv:1608.06019)."""

_EXACTLY = "donot_use_mm_for_euclid_dist"


def squared_mmd(
    source: Float[Tensor, "n d"],
    target: Float[Tensor, "m d"],
    widths: Sequence[float] = RBF_WIDTHS,
    *,
    unbiased: bool = False,
    source_weights: Float[Tensor, " n"] | None = None,
) -> Float[Tensor, ""]:
    r"""Squared maximum mean discrepancy under a sum of Gaussian kernels.

    .. math:: E k(s, s') + E k(t, t') - 2 E k(s, t), \qquad
              k(x, y) = \sum_w e^{-\lVert x - y \rVert^2 / (2 w)}

    In float32 the value of near domains has an absolute error of about 1e-7 for each
    width, 5e-6 for the 19; its gradient has float32's relative error.

    Args:
        source: Features of the source.
        target: Features of the target.
        widths: w > 0, in units of squared features.
        unbiased: Leave out the pairs of a row with itself, so that the mean over
            batches estimates that of the whole domains; the value may be negative.
        source_weights: Of the source's rows, 1 on average; by default all 1.

    Raises:
        ValueError: If a width is not positive, or an unbiased estimate is asked for
            a single row.

    References:
        Gretton et al. 2012, JMLR 13, eq. 3 (unbiased) and 5.

    >>> x = torch.tensor([[0.0], [1.0]])
    >>> squared_mmd(x, x)
    tensor(0.)
    """
    check_widths(widths)
    n, m = len(source), len(target)
    if unbiased and min(n, m) < 2:
        raise ValueError("An unbiased estimate needs at least two rows of each domain.")
    rows = torch.cat([source, target])
    squared = _squared_distances(rows, rows)
    kernel = torch.zeros_like(squared)
    for width in widths:  # numbers, not a tensor of them: no copy to the device
        kernel = kernel + (squared * (-0.5 / width)).exp()
    if source_weights is not None:
        weights = torch.cat([source_weights, source_weights.new_ones(m)])
        kernel = kernel * weights[:, None] * weights
    own = kernel[:n, :n], kernel[n:, n:]
    within = [_mean_within(block, unbiased=unbiased) for block in own]
    return within[0] + within[1] - 2 * kernel[:n, n:].mean()


def check_widths(widths: Sequence[float]) -> None:
    """Refuse kernel widths that are not positive, with a ValueError."""
    if not widths or not all(width > 0 for width in widths):
        raise ValueError(f"widths must be positive, got {list(widths)}.")


def _mean_within(block: Tensor, *, unbiased: bool) -> Tensor:
    n = len(block)
    if not unbiased:
        return block.mean()
    return (block.sum() - block.diagonal().sum()) / (n * (n - 1))


def _squared_distances(x: Tensor, y: Tensor) -> Tensor:
    # The expansion into products would lose the digits that narrow kernels depend on.
    return torch.cdist(x, y, compute_mode=_EXACTLY).square()


def coral_distance(
    source: Float[Tensor, "n d"], target: Float[Tensor, "m d"]
) -> Float[Tensor, ""]:
    r"""Squared distance of the covariances of two domains (CORAL).

    .. math:: \frac{1}{4 d^2} \lVert C_S - C_T \rVert_F^2, \qquad
              C = \frac{1}{n - 1} \sum_i (x_i - \bar x)(x_i - \bar x)^T

    It is computed from the products of rows, n + m of them, and not of columns: with
    :math:`Z = [X_S / \sqrt{n-1}; X_T / \sqrt{m-1}]` centred and signs s, the norm is
    :math:`\sum_{ij} s_i s_j (Z Z^T)_{ij}^2`.

    Raises:
        ValueError: If a domain has a single row.

    References:
        Sun and Saenko 2016, "Deep CORAL", arXiv:1607.01719, eq. 1-3.

    >>> x = torch.tensor([[0.0], [2.0]])  # variance 2 against 8
    >>> coral_distance(x, 2 * x)
    tensor(9.)
    """
    if min(len(source), len(target)) < 2:
        raise ValueError("A covariance needs at least two rows of each domain.")
    full = torch.promote_types(source.dtype, torch.float32)
    with torch.autocast(source.device.type, enabled=False):
        # Fourth powers overflow, and of near domains they nearly cancel.
        rows = exact(source.to(full)), exact(target.to(full))
        parts = [(x - x.mean(0)) / (len(x) - 1) ** 0.5 for x in rows]
        signs = rows[0].new_ones(len(source) + len(target))
        signs[len(source) :] = -1
        products = torch.cat(parts)
        products = (products @ products.T).square()
        distance = (signs @ products @ signs).clamp_min(0) / (4 * source.shape[1] ** 2)
        return distance.to(full)


def class_confusion(
    logits: Float[Tensor, "m k"], temperature: float = 2.5
) -> Float[Tensor, ""]:
    r"""How often rows waver between two classes, over the batch (MCC).

    .. math:: \frac1k \sum_j \sum_{j' \ne j} \tilde C_{jj'}, \qquad
              C = P^T W P, \quad \tilde C_{jj'} = C_{jj'} / \textstyle\sum_l C_{jl}

    with P the probabilities of ``logits / temperature``, and weights
    :math:`W_i \propto 1 + e^{-H(P_i)}`, m in sum and without gradient, so that sure
    rows count more.

    Args:
        logits: Of the target rows.
        temperature: T > 0.

    Returns:
        From 0 (each row sure of a class) to 1 - 1/k (all rows uniform).

    References:
        Jin et al. 2020, arXiv:1912.03699, eq. 2-6.

    >>> class_confusion(torch.zeros(3, 4))
    tensor(0.7500)
    """
    p = (logits / temperature).softmax(1)
    weights = certainty(p)
    weights = weights * (len(p) / weights.sum())
    confusion = (p * weights[:, None]).T @ p
    shares = confusion / confusion.sum(1, keepdim=True)
    return 1 - shares.diagonal().mean()


@torch.no_grad()
def certainty(probabilities: Float[Tensor, "n k"]) -> Float[Tensor, " n"]:
    r"""Weights of rows, larger the surer they are of a class.

    .. math:: W_i = 1 + e^{-H(P_i)}

    Returns:
        From 1 + 1/k (uniform) to 2 (sure), without gradients.

    References:
        Long et al. 2018, "CDAN", arXiv:1705.10667, section 3.2.

    >>> certainty(torch.tensor([[1.0, 0.0], [0.5, 0.5]]))
    tensor([2.0000, 1.5000])
    """
    return 1 + torch.exp(-torch.special.entr(probabilities).sum(1))


def joined_with_classes(
    features: Float[Tensor, "n d"], probabilities: Float[Tensor, "n k"]
) -> Float[Tensor, "n kd"]:
    """Products of every feature with the probability of every class (CDAN, eq. 5).

    >>> joined_with_classes(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.75, 0.25]]))
    tensor([[0.7500, 1.5000, 0.2500, 0.5000]])
    """
    return (probabilities[:, :, None] * features[:, None]).flatten(1)


def margin_disparity(
    source_logits: Float[Tensor, "n k"],
    source_classes: Int[Tensor, " n"],
    target_logits: Float[Tensor, "m k"],
    target_classes: Int[Tensor, " m"],
    *,
    margin: float,
) -> Float[Tensor, ""]:
    r"""Loss of an adversary that contradicts a classifier on the target alone (MDD).

    .. math:: -\gamma E_s \log p_{c(s)}(s) - E_t \log (1 - p_{c(t)}(t))

    with p the adversary's probabilities, and c what the classifier predicts.

    Args:
        source_logits: The adversary's, on source rows.
        source_classes: What the classifier predicts there.
        target_logits: The adversary's, on target rows.
        target_classes: What the classifier predicts there.
        margin: Gamma.

    Returns:
        Scalar in nats, finite for every finite logit.

    References:
        Zhang et al. 2019, arXiv:1904.05801, eq. 28-30.

    >>> zeros, classes = torch.zeros(1, 2), torch.tensor([0])
    >>> margin_disparity(zeros, classes, zeros, classes, margin=2.0)  # 3 log 2
    tensor(2.0794)
    """
    agreement = cross_entropy(source_logits, source_classes)
    others = target_logits.scatter(1, target_classes[:, None], -torch.inf)
    contradiction = target_logits.logsumexp(1) - others.logsumexp(1)
    return margin * agreement + contradiction.mean()


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: float) -> Tensor:
        ctx.weight = weight
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None]:
        return -ctx.weight * grads[0], None


def reverse_gradient(x: Tensor, weight: float = 1.0) -> Tensor:
    """Gradient reversal: the identity, with the gradient multiplied by -weight.

    References:
        Ganin et al. 2016, JMLR 17, eq. 16-18, arXiv:1505.07818.

    >>> x = torch.tensor(2.0, requires_grad=True)
    >>> reverse_gradient(3 * x, 0.5).backward()
    >>> x.grad
    tensor(-1.5000)
    """
    return cast(Tensor, _Reversal.apply(x, weight))


def joint_transport_cost(
    source: Float[Tensor, "n d"],
    labels: Int[Tensor, " n"],
    target: Float[Tensor, "m d"],
    target_logits: Float[Tensor, "m k"],
    *,
    feature_weight: float,
    label_weight: float,
    source_weights: Float[Tensor, " n"] | None = None,
) -> Float[Tensor, ""]:
    r"""Exact transport cost of features and labels between two batches (DeepJDOT).

    .. math:: \min_\gamma \sum_{ij} \gamma_{ij} \bigl( \alpha \lVert h_i - h_j \rVert^2
              + \lambda \, \ell(y_i, f(h_j)) \bigr)

    with the cross-entropy :math:`\ell`. The plan is that of the exact problem between
    the two batches, by POT on the CPU; the loss is differentiated with the plan
    fixed, which is its gradient where the plan is unique (envelope theorem).

    Args:
        source: Features of the source.
        labels: Classes of the source rows.
        target: Features of the target.
        target_logits: Logits of the target rows.
        feature_weight: alpha, in 1 per squared unit of the features.
        label_weight: lambda.
        source_weights: Masses of the source's rows, 1 on average; by default all 1.

    Raises:
        ValueError: If features or logits are not finite.

    References:
        Damodaran et al. 2018, "DeepJDOT", arXiv:1803.10081, eq. 7-8.

    >>> x, y = torch.zeros(1, 2), torch.tensor([0])
    >>> weights = {"feature_weight": 0.5, "label_weight": 1.0}
    >>> joint_transport_cost(x, y, x + 2, torch.zeros(1, 2), **weights)  # 4 + log 2
    tensor(4.6931)
    """
    distance = _squared_distances(source, target)
    disagreement = -target_logits.log_softmax(1).T[labels]
    cost = feature_weight * distance + label_weight * disagreement
    mass = source_weights
    if mass is not None:
        mass = mass.double() / mass.double().sum()
    plan = optimal_transport(cost.detach(), mass).plan.to(cost)
    return (plan * cost).sum()
