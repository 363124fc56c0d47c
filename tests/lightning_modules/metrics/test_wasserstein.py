import pickle
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torchmetrics import Metric

from lightning_modules.functional.closed_forms import (
    random_directions,
    sliced_wasserstein_distance,
)
from lightning_modules.functional.modes import mode_coverage
from lightning_modules.functional.transport import wasserstein_distance
from lightning_modules.metrics import (
    ModeCoverage,
    SlicedWassersteinDistance,
    WassersteinDistance,
)
from lightning_modules.metrics.thinning import row_keys, thin

MODES = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])


def images(n: int, seed: int) -> Tensor:
    return torch.randn(n, 1, 4, 4, generator=torch.Generator().manual_seed(seed))


def cloud(n: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    centres = MODES[torch.randint(3, (n,), generator=generator)]
    return centres + 0.05 * torch.randn(n, 2, generator=generator)


def exact(x: Tensor, y: Tensor) -> Tensor:
    return wasserstein_distance(x.flatten(1), y.flatten(1)).float()


def sliced(x: Tensor, y: Tensor) -> Tensor:
    directions = random_directions(128, 16, torch.Generator().manual_seed(0))
    return sliced_wasserstein_distance(x.flatten(1), y.flatten(1), directions)


def subset(rows: Tensor, size: int) -> Tensor:
    return thin(rows, row_keys(rows), size)[0]


Reference = Callable[[Tensor, Tensor], Tensor]
distances = pytest.mark.parametrize(
    ("metric", "reference"),
    [(WassersteinDistance(), exact), (SlicedWassersteinDistance(), sliced)],
    ids=["exact", "sliced"],
)
both_metrics = pytest.mark.parametrize(
    "metric",
    [WassersteinDistance(), SlicedWassersteinDistance()],
    ids=["exact", "sliced"],
)


def filled(metric: Metric, x: Tensor, y: Tensor, batch: int) -> Metric:
    metric.reset()
    for part in x.split(batch):  # type: ignore[no-untyped-call]
        metric.update(part, real=True)
    for part in y.split(batch):  # type: ignore[no-untyped-call]
        metric.update(part, real=False)
    return metric


@distances
@pytest.mark.parametrize("batch", [1, 7, 50])
def test_accumulated_distance_is_that_of_the_joined_sets(
    metric: Metric, reference: Reference, batch: int
) -> None:
    x, y = images(50, 0), images(30, 1) + 1
    found = filled(metric, x, y, batch).compute()
    torch.testing.assert_close(found, reference(x, y))


@distances
def test_a_reset_metric_forgets(metric: Metric, reference: Reference) -> None:
    filled(metric, images(5, 0), images(5, 1), 5)
    x, y = images(6, 2), images(6, 3)
    torch.testing.assert_close(filled(metric, x, y, 6).compute(), reference(x, y))


@distances
def test_a_filled_metric_survives_pickling_and_cloning(
    metric: Metric, reference: Reference
) -> None:
    x, y = images(6, 0), images(6, 1)
    filled(metric, x, y, 6)
    copies = pickle.loads(pickle.dumps(metric)), metric.clone()
    for copy in copies:
        torch.testing.assert_close(copy.compute(), reference(x, y))


@both_metrics
def test_a_metric_writes_nothing_into_checkpoints(metric: Metric) -> None:
    assert filled(metric, images(6, 0), images(6, 1), 6).state_dict() == {}


@pytest.mark.parametrize(
    "metric", [WassersteinDistance(9), SlicedWassersteinDistance()]
)
def test_one_side_alone_is_refused(metric: Metric) -> None:
    metric.update(images(3, 0), real=True)
    with pytest.raises(ValueError, match="needs real and fake"):
        metric.compute()


def test_samples_of_another_shape_are_refused() -> None:
    metric = WassersteinDistance()
    metric.update(torch.zeros(3, 2), real=True)
    with pytest.raises(ValueError, match="3 coordinates, earlier ones had 2"):
        metric.update(torch.zeros(3, 3), real=False)


@pytest.mark.parametrize(
    ("build", "key"),
    [
        (lambda: WassersteinDistance(max_samples=0), "max_samples"),
        (lambda: SlicedWassersteinDistance(n_directions=0), "n_directions"),
        (lambda: ModeCoverage(torch.zeros(3), 1.0), "modes"),
        (lambda: ModeCoverage(MODES, 0.0), "std"),
    ],
)
def test_bad_arguments_are_named(build: Callable[[], Metric], key: str) -> None:
    with pytest.raises(ValueError, match=key):
        build()


@pytest.mark.parametrize("batch", [1, 13, 100])
def test_thinning_out_does_not_depend_on_order_or_batches(batch: int) -> None:
    x, y = images(100, 0), images(100, 1)
    expected = filled(WassersteinDistance(20), x, y, 100).compute()
    found = filled(WassersteinDistance(20), x.flip(0), y.roll(7, 0), batch).compute()
    torch.testing.assert_close(found, expected)
    kept = exact(*(subset(rows.flatten(1), 20) for rows in (x, y)))
    torch.testing.assert_close(expected, kept)


def test_thinning_out_keeps_no_more_than_asked() -> None:
    metric = filled(WassersteinDistance(20), images(100, 0), images(15, 1), 10)
    assert isinstance(metric, WassersteinDistance)
    assert [len(rows) for rows in metric.real] == [20]
    assert [len(rows) for rows in metric.fake] == [15]


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_thinning_out_is_fair_to_every_place(scale: float) -> None:
    """The kept rows have the mean and spread of all rows, in each coordinate."""
    rows = scale * torch.rand(20_000, 3, generator=torch.Generator().manual_seed(0))
    kept = subset(rows, 5_000) / scale
    # 4 standard errors of a uniform's mean and variance
    torch.testing.assert_close(
        kept.mean(0), torch.full((3,), 0.5), atol=4 * (1 / 12 / 5000) ** 0.5, rtol=0
    )
    torch.testing.assert_close(
        kept.var(0), torch.full((3,), 1 / 12), atol=4 * (1 / 180 / 5000) ** 0.5, rtol=0
    )


@pytest.mark.parametrize("value", [0.0, 0.3, -7.0])
@pytest.mark.parametrize("batch", [50, 400])
def test_a_place_where_many_samples_sit_keeps_its_share(
    value: float, batch: int
) -> None:
    g = torch.Generator().manual_seed(0)
    rows = torch.randn(400, 2, generator=g)
    rows[torch.randperm(400, generator=g)[:200]] = value  # half collapsed
    metric = WassersteinDistance(100)
    filled(metric, images(1, 0).flatten(1)[:, :2], rows, batch)
    share = (metric.fake[0] == value).all(1).float().mean()
    assert float(share) == pytest.approx(0.5, abs=0.2)


def test_equal_rows_of_different_updates_are_kept_or_dropped_one_by_one() -> None:
    shares = []
    for seed in range(60):
        rows = torch.randn(400, 2, generator=torch.Generator().manual_seed(seed))
        rows[::2] = float(seed)  # one place, spread over all updates
        metric = WassersteinDistance(100)
        filled(metric, rows[1:2], rows, batch=10)
        shares.append((metric.fake[0] == seed).all(1).float().mean())
    spread = torch.stack(shares).std()
    independent = (0.25 / 100 * 0.75) ** 0.5  # without replacement, 100 of 400
    assert float(spread) < 1.5 * independent


@both_metrics
def test_numbers_are_points_on_a_line(metric: Metric) -> None:
    x, y = images(9, 0)[:, 0, 0, 0], images(8, 1)[:, 0, 0, 0]
    of_points = filled(metric, x[:, None], y[:, None], 9).compute()
    assert torch.equal(filled(metric, x, y, 9).compute(), of_points)


def test_zero_and_minus_zero_are_one_value() -> None:
    zeros = torch.tensor([[0.0, -0.0], [-0.0, 0.0]])
    one, other = (row_keys(row[None]) for row in zeros)
    assert torch.equal(one, other)
    assert len(set(row_keys(zeros).tolist())) == 2  # but two copies of it


def test_keys_are_uniform_and_lie_where_they_should() -> None:
    keys = row_keys(torch.arange(10_000.0)[:, None])
    assert keys.dtype == torch.float64
    assert float(keys.min()) >= 0
    assert float(keys.max()) < 1
    counts = torch.histc(keys.float(), 10, 0, 1)
    assert float((counts - 1000).abs().max()) < 5 * 30  # 5 standard deviations


@both_metrics
def test_a_diverged_generator_is_told_and_not_thinned_away(metric: Metric) -> None:
    metric.reset()
    fake = images(100, 0)
    fake[7, 0, 0, 0] = float("nan")
    with pytest.raises(ValueError, match="NaN or infinity: has training diverged"):
        metric.update(fake, real=False)


@pytest.mark.parametrize("batch", [1, 64, 900])
def test_accumulated_mode_coverage_is_that_of_the_joined_samples(batch: int) -> None:
    samples = cloud(900, 0)
    metric = ModeCoverage(MODES, 0.05)
    for part in samples.split(batch):  # type: ignore[no-untyped-call]
        metric.update(part)
    expected = mode_coverage(samples, MODES, 0.05)._asdict()
    assert {k: float(v) for k, v in metric.compute().items()} == pytest.approx(
        {k: float(v) for k, v in expected.items()}
    )
    assert metric.state_dict() == {}
    assert pickle.loads(pickle.dumps(metric)).compute() == metric.compute()


def test_mode_coverage_without_samples_is_refused() -> None:
    metric = ModeCoverage(MODES, 0.05)
    metric.update(torch.zeros(0, 2))
    with pytest.raises(ValueError, match="no samples"):
        metric.compute()
