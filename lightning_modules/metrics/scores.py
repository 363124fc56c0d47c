"""FID, KID and Inception score of precomputed features."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore
from torchmetrics.image.kid import KernelInceptionDistance

from lightning_modules.metrics.features import Precomputed

PARTS = 10  # of the Inception score, as in arXiv:1606.03498


def feature_scores(
    real: Tensor,
    fake: Tensor,
    logits: Tensor,
    kid_subset_size: int = 1000,
    kid_subsets: int = 20,
    seed: int = 0,
) -> dict[str, Tensor]:
    """FID, KID and Inception score from features, over all processes.

    Computed by torchmetrics, which gathers the features of all processes: call it on
    all of them, each with its share. Torch's global random state is restored.

    Args:
        real: Features of data, shape (n, d); only ``n * d`` numbers, not images.
        fake: Features of samples, shape (m, d).
        logits: Logits of the same samples, shape (m, k).
        kid_subset_size: Features in each random subset of KID; fewer where a side
            has fewer.
        kid_subsets: Number of these subsets.
        seed: Seed of the subsets and of the Inception score's ten parts.

    Returns:
        ``fid``, ``kid`` (mean over subsets) and ``inception_score`` (mean over parts).

    Raises:
        ValueError: If a side has fewer than 2 rows, or there are fewer than 10 samples.

    >>> x = torch.randn(40, 3)
    >>> {name: float(v) for name, v in feature_scores(x, x, torch.zeros(40, 2)).items()}
    {'fid': ..., 'kid': ..., 'inception_score': 1.0}
    """
    extractor = Precomputed(real.shape[1])
    fid = FrechetInceptionDistance(extractor).to(real.device)
    fid.update(real, real=True)
    fid.update(fake, real=False)
    with fid.sync_context():
        counts = fid.real_features_num_samples, fid.fake_features_num_samples
        n_real, n_fake = (int(count) for count in counts)
    if n_real < 2 or n_fake < PARTS:
        raise ValueError(
            f"FID, KID and Inception score need at least 2 real images and {PARTS} "
            f"samples, got {n_real} and {n_fake}."
        )
    size = min(kid_subset_size, n_real, n_fake)
    with _seeded(seed), warnings.catch_warnings():
        # Both warn that they keep all features, which are small here.
        warnings.filterwarnings("ignore", message="Metric .* will save all extracted")
        kid = KernelInceptionDistance(extractor, kid_subsets, size).to(real.device)
        kid.update(real, real=True)
        kid.update(fake, real=False)
        inception_score = InceptionScore(extractor, PARTS).to(real.device)
        inception_score.update(logits)
        return {
            "fid": fid.compute(),
            "kid": kid.compute()[0],
            "inception_score": inception_score.compute()[0],
        }


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Context in which the CPU's generator, used by KID and IS, has a fixed seed."""
    state = torch.get_rng_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(state)
