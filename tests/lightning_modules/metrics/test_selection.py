import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torchmetrics import Metric

from lightning_modules.functional.selection import (
    batch_nuclear_norm,
    information_maximisation,
    soft_neighbourhood_density,
    target_entropy,
)
from lightning_modules.metrics import ProxyADistance
from lightning_modules.metrics.selection import (
    BatchNuclearNorm,
    InformationMaximisation,
    SoftNeighbourhoodDensity,
    TargetEntropy,
)
from lightning_modules.metrics.thinning import row_keys, thin
from tests.support.processes import on_two_ranks

X = 3 * torch.randn(60, 4, generator=torch.Generator().manual_seed(0))

Make = Callable[[], Metric]
Score = Callable[[Tensor], Tensor]
PAIRS: list[tuple[Make, Score]] = [
    (TargetEntropy, target_entropy),
    (InformationMaximisation, information_maximisation),
    (SoftNeighbourhoodDensity, soft_neighbourhood_density),
    (BatchNuclearNorm, batch_nuclear_norm),
]
pairs = pytest.mark.parametrize(("make", "score"), PAIRS)
makes = pytest.mark.parametrize("make", [make for make, _ in PAIRS])


def filled(metric: Metric, x: Tensor, batch: int) -> Metric:
    for part in x.split(batch):  # type: ignore[no-untyped-call]
        metric.update(part)
    return metric


@pairs
@pytest.mark.parametrize("batch", [1, 7, 60])
def test_a_metric_over_batches_is_the_score_of_all_rows(
    make: Make, score: Score, batch: int
) -> None:
    found = filled(make(), X, batch).compute()
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, score(X).float())


@pairs
def test_a_reset_metric_forgets(make: Make, score: Score) -> None:
    metric = filled(make(), X[:20], 5)
    metric.reset()
    torch.testing.assert_close(
        filled(metric, X[20:], 8).compute(), score(X[20:]).float()
    )


@pairs
def test_a_call_gives_the_batch_and_keeps_it(make: Make, score: Score) -> None:
    metric = make()
    for part in (X[:20], X[20:]):
        torch.testing.assert_close(metric(part), score(part).float())
    torch.testing.assert_close(metric.compute(), score(X).float())


@pairs
def test_half_precision_only_rounds_the_logits(make: Make, score: Score) -> None:
    rounded = X.bfloat16()
    found = filled(make(), rounded, 20).compute()
    torch.testing.assert_close(found, score(rounded.float()).float())


def test_higher_is_better_says_which_of_two_classifiers_is_sure_and_balanced() -> None:
    classes = torch.arange(60) % 4
    sure = 8.0 * torch.nn.functional.one_hot(classes, 4)
    blurred = sure / 8
    for metric in (TargetEntropy(), InformationMaximisation(), BatchNuclearNorm()):
        values = []
        for x in (sure, blurred):
            metric.reset()
            values.append(float(filled(metric, x, 60).compute()))
        assert (values[0] > values[1]) is metric.higher_is_better


def test_higher_density_is_better_where_clusters_are_tight() -> None:
    assert SoftNeighbourhoodDensity.higher_is_better
    sure = 8.0 * torch.nn.functional.one_hot(torch.arange(60) % 4, 4)
    metrics = [filled(SoftNeighbourhoodDensity(), x, 60) for x in (sure, sure + X)]
    assert metrics[0].compute() > metrics[1].compute()


@pytest.mark.parametrize("batch", [7, 60])
def test_density_of_many_rows_is_that_of_a_fixed_choice(batch: int) -> None:
    metric = filled(SoftNeighbourhoodDensity(max_samples=15), X, batch)
    choice = thin(X, row_keys(X), 15)[0]
    assert sum(map(len, metric.logits)) == 15  # type: ignore[arg-type]
    torch.testing.assert_close(
        metric.compute(), soft_neighbourhood_density(choice).float()
    )


def test_equal_rows_of_different_calls_are_kept_or_dropped_one_by_one() -> None:
    metric = SoftNeighbourhoodDensity(max_samples=50)
    for _ in range(10):
        metric(torch.zeros(10, 4))
    (keys,) = metric.keys
    assert len(set(keys.tolist())) == 50


def values(x: Tensor) -> dict[str, float]:
    thinned = SoftNeighbourhoodDensity(max_samples=15)
    metrics = [*(make() for make, _ in PAIRS), thinned]
    return {
        f"{place} {type(metric).__name__}": float(filled(metric, x, 20).compute())
        for place, metric in enumerate(metrics)
    }


@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("cut", [30, 13, 60], ids="rank 0 has {} of 60".format)
def test_two_processes_measure_what_one_measures_on_everything(
    tmp_path: Path, cut: int
) -> None:
    def own(rank: int) -> dict[str, float]:
        return values(X.flip(0)[slice(cut) if rank == 0 else slice(cut, None)])

    expected = values(X)
    for found in on_two_ranks(own, tmp_path):
        assert found == pytest.approx(expected, rel=1e-6)


@makes
@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_diverged_logits_are_refused_and_spoil_nothing(make: Make, bad: float) -> None:
    metric, x = filled(make(), X, 60), X[:3].clone()
    before = metric.compute()
    x[1, 2] = bad
    with pytest.raises(ValueError, match="has training diverged"):
        metric.update(x)
    metric.update(X[:0])  # drops the remembered value
    assert metric.compute().equal(before)


@makes
def test_logits_that_are_no_matrix_are_refused(make: Make) -> None:
    with pytest.raises(ValueError, match=r"shape \(n, k\), got \(4,\)"):
        make().update(X[0])


@makes
@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric")
def test_a_metric_without_rows_says_so(make: Make) -> None:
    metric = make()
    with pytest.raises(ValueError, match=rf"{type(metric).__name__} has seen no rows"):
        metric.compute()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"temperature": 0.0}, "temperature must be above 0, got 0"),
        ({"max_samples": 1}, "max_samples must be at least 2, got 1"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, float], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        SoftNeighbourhoodDensity(**settings)  # type: ignore[arg-type]


pytestmark = [
    # the forked children start no threads of their own before they train
    pytest.mark.filterwarnings("ignore:.*use of fork.*may lead to deadlocks"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded"),
    # DDP copies such a gradient instead of keeping it where it is
    pytest.mark.filterwarnings("ignore:Grad strides do not match"),
]


@pytest.mark.parametrize("n", [1, 3])
def test_the_proxy_distance_makes_do_with_few_rows(n: int) -> None:
    metric = ProxyADistance()
    x = torch.arange(float(n)).reshape(n, 1)
    metric.update(x, real=True)
    metric.update(x + 100, real=False)
    found = float(metric.compute())
    assert math.isnan(found) if n == 1 else found == 2
