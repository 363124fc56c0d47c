"""Proxy A-distance between two domains."""

import warnings

import numpy as np
from jaxtyping import Float
from torch import Tensor

from .transport import refuse_diverged


def proxy_a_distance(
    source: Float[Tensor, "n d"],
    target: Float[Tensor, "m d"],
    seed: int = 0,
    folds: int = 5,
) -> float:
    r"""Proxy A-distance between two domains' features: 0 alike, 2 separable.

    .. math:: \hat d_A = 2 (1 - 2 \epsilon)

    with :math:`\epsilon` the cross-validated error of a logistic regression that says
    which domain a row comes from. Features are standardised with statistics of the
    training folds. Both domains have equal weight, whatever n and m: the error is the
    mean of the errors on source and target, and the classifier is trained with class
    weights. An error above one half, which is chance, gives 0.

    It says whether the domains are linearly separable, not whether the classes match.

    Args:
        source: Features of the source.
        target: Features of the target.
        seed: Seed of the folds.
        folds: Number of folds of the cross-validation.

    Raises:
        ValueError: If ``folds`` is below 2, a domain has fewer rows than folds, or
            features are NaN or infinite.

    References:
        Ben-David et al. 2007, "Analysis of Representations for Domain Adaptation",
        NIPS 19; Ganin et al. 2016, arXiv:1505.07818, section 5.1.5, with a linear SVM.

    >>> import torch
    >>> x = torch.arange(20.0).reshape(20, 1)
    >>> proxy_a_distance(x, x + 100), proxy_a_distance(x, x)
    (2.0, 0.0)
    """
    sets = [x.detach().float().cpu() for x in (source, target)]
    refuse_diverged(*sets)
    if folds < 2:
        raise ValueError(f"folds must be at least 2, got {folds}.")
    if min(map(len, sets)) < folds:
        raise ValueError(
            f"A proxy A-distance with {folds} folds needs as many rows of each domain, "
            f"got {len(source)} of the source and {len(target)} of the target."
        )
    x = np.concatenate([part.numpy().astype(np.float64) for part in sets])
    domain = np.repeat([0, 1], [len(source), len(target)])
    wrong = _cross_predict(x, domain, seed, folds) != domain
    error = (wrong[domain == 0].mean() + wrong[domain == 1].mean()) / 2
    return max(0.0, 2 * (1 - 2 * float(error)))


def _cross_predict(
    x: "np.ndarray[tuple[int, int], np.dtype[np.float64]]",
    domain: "np.ndarray[tuple[int], np.dtype[np.int64]]",
    seed: int,
    folds: int,
) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Out-of-fold prediction of the domain of each row."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classifier = make_pipeline(
        StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=200)
    )
    parts = StratifiedKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # After so many steps the weights still move, but hardly any prediction changes.
        warnings.simplefilter("ignore", ConvergenceWarning)
        predicted: np.ndarray[tuple[int], np.dtype[np.int64]] = cross_val_predict(
            classifier, x, domain, cv=parts
        )
    return predicted
