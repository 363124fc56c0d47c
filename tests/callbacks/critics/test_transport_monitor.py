"""TransportMonitor on real fits of a few steps."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor, nn

from callbacks.critics.transport_monitor import TransportMonitor
from callbacks.plotting.plots import curves
from datamodules import PointClouds
from lightning_modules import (
    WGANGP,
    MLPCritic,
)
from lightning_modules.core.alternating import evaluating
from lightning_modules.data_contracts.batches import samples_of
from lightning_modules.data_contracts.contracts import TwoDomainBatch
from lightning_modules.functional.slope import estimate_on_plan
from lightning_modules.functional.transport import wasserstein_distance
from tests.support.games import Game, fit, logged, make

NAMES = (
    "critic_slope",
    "critic_lipschitz",
    "wasserstein_raw",
    "wasserstein_ratio",
    "wasserstein_per_slope",
    "wasserstein_exact",
)


def test_its_numbers_are_logged_at_the_steps_asked_for(tmp_path: Path) -> None:
    logger = CSVLogger(tmp_path)
    trainer = fit(make(WGANGP), TransportMonitor(2, n=16), logger=logger, steps=5)
    for name in NAMES:
        assert set(logged(logger, f"train/{name}")) == {2, 4}
    slope, lipschitz, raw, ratio, per_slope, exact = (
        float(trainer.callback_metrics[f"train/{name}"]) for name in NAMES
    )
    assert per_slope == pytest.approx(raw / slope, rel=1e-5)
    assert ratio == pytest.approx(raw / exact, rel=1e-5)
    assert lipschitz >= slope > 0


def monitored(
    callback: TransportMonitor,
    kind: type[Game] = WGANGP,
    cloud: type[PointClouds] = PointClouds,
) -> Trainer:
    """A fit of two updates on 400 points of the ring."""
    data = cloud("ring8", batch_size=16, n_train=400, n_val=64, n_test=64)
    trainer = Trainer(
        max_steps=2, accelerator="cpu", logger=False, callbacks=[callback],
        enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, limit_val_batches=0,
    )  # fmt: skip
    game = make(WGANGP)
    game.__class__ = kind
    trainer.fit(game, datamodule=data)
    return trainer


def test_the_floor_is_the_distance_of_data_to_other_data() -> None:
    class Spy(Spying):
        def _rows(self, *arguments: Any) -> Any:
            self.rows = super()._rows(*arguments)
            return self.rows

    callback = Spy(1, n=100)
    found = monitored(callback).callback_metrics
    assert None not in callback.rows
    real, others = map(samples_of, callback.rows)
    assert not set(map(tuple, real.tolist())) & set(map(tuple, others.tolist()))
    floor = float(wasserstein_distance(real, others))
    assert float(found["train/wasserstein_floor"]) == pytest.approx(floor, rel=1e-6)
    assert found["train/wasserstein_floor"] < found["train/wasserstein_exact"] / 2


def test_the_floor_is_measured_where_the_critic_compares() -> None:
    class Scaled(WGANGP):
        """Compares features, which are ten times the data."""

        def transport_samples(self, batch: Any, seed: int) -> tuple[Tensor, Tensor]:
            real, fake = super().transport_samples(batch, seed)
            return 10 * real, 10 * fake

    plain = monitored(TransportMonitor(2, n=100)).callback_metrics
    scaled = monitored(TransportMonitor(2, n=100), Scaled).callback_metrics
    name = "train/wasserstein_floor"
    assert float(scaled[name]) == pytest.approx(10 * float(plain[name]), rel=1e-4)


@pytest.mark.parametrize(
    "callback", [TransportMonitor(1, n=300), TransportMonitor(1, n=100, floor=False)]
)
def test_no_floor_without_other_data_or_if_not_wanted(
    callback: TransportMonitor,
) -> None:
    found = monitored(callback).callback_metrics
    assert "train/wasserstein_floor" not in found
    assert "train/wasserstein_exact" in found


def test_what_is_compared_the_module_says() -> None:
    class Shifted(WGANGP):
        """Compares a batch with itself, moved by (3, 4)."""

        def transport_samples(self, batch: Any, _: int) -> tuple[Tensor, Tensor]:
            return batch, batch + torch.tensor([3.0, 4.0])

    game = make(WGANGP)
    game.__class__ = Shifted
    found = TransportMonitor(n=10).measure(game, torch.randn(20, 2), step=1)
    assert float(found.exact) == pytest.approx(5.0)


def test_a_picture_at_the_end_shows_the_floor_beside_the_curve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Any] = []

    def draw(steps: list[int], lines: dict[str, list[float]], *rest: str) -> Any:
        drawn.append((steps, lines))
        return curves(steps, lines, *rest)

    monkeypatch.setattr("callbacks.critics.transport_monitor.curves", draw)
    found = monitored(TransportMonitor(1, n=100)).callback_metrics
    ((steps, lines),) = drawn
    assert steps == [1, 2]
    assert list(lines) == [
        "exact W1",
        "floor: data to other data",
        "critic's estimate per slope",
    ]
    for line, name in zip(lines.values(), ("exact", "floor", "per_slope"), strict=True):
        assert len(line) == 2
        assert line[-1] == pytest.approx(float(found[f"train/wasserstein_{name}"]))
    (picture,) = tmp_path.rglob("images/transport/2.png")
    assert picture.stat().st_size > 5_000


def test_no_line_without_values_and_no_picture_of_one_point(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[Any] = []

    def draw(_: list[int], lines: dict[str, list[float]], *rest: str) -> Any:
        drawn.append(list(lines))
        return curves([0], {"x": [0.0]}, *rest)

    monkeypatch.setattr("callbacks.critics.transport_monitor.curves", draw)
    monitored(TransportMonitor(2, n=100))
    assert not drawn
    monitored(TransportMonitor(1, n=100, floor=False))
    assert drawn == [["exact W1", "critic's estimate per slope"]]


def test_the_curve_goes_on_after_a_resume_and_anew_in_another_run() -> None:
    first, second = TransportMonitor(1, n=100), TransportMonitor(1, n=100)
    monitored(first)
    second.load_state_dict(first.state_dict())
    second._append(3, {"wasserstein_exact": 1.0})
    assert second.state_dict()["curves"]["step"] == [1, 2, 3]
    assert first.state_dict()["curves"]["step"] == [1, 2]
    monitored(second)  # but a new run begins anew
    assert second.state_dict()["curves"]["step"] == [1, 2]
    assert TransportMonitor(n=9).state_key != TransportMonitor(n=8).state_key


def test_two_domains_are_compared_where_their_features_meet() -> None:
    class TwoDomains(PointClouds):
        """Source points, and target points that lie (3, 4) from others."""

        def random_rows(self, *arguments: Any) -> Any:
            source, y = super().random_rows(*arguments)
            target = samples_of(super().random_rows(*arguments))
            return TwoDomainBatch(source, y, target + torch.tensor([3.0, 4.0]))

    class Features(WGANGP):
        """Compares twice the points of two domains."""

        def transport_samples(self, batch: Any, _: int) -> tuple[Tensor, Tensor]:
            return 2 * batch.source, 2 * batch.target

    found = monitored(TransportMonitor(2, n=150), Features, TwoDomains)
    values = found.callback_metrics
    assert float(values["train/wasserstein_exact"]) == pytest.approx(10, abs=0.5)
    assert 0 < float(values["train/wasserstein_floor"]) < 1


def test_of_more_points_than_it_can_pair_it_says_so() -> None:
    with pytest.raises(ValueError, match="n must be at most 2000, got 2001"):
        TransportMonitor(n=2001)


def test_equal_steps_measure_the_same_and_a_still_generator_the_mean_norm() -> None:
    model, callback = make(WGANGP), TransportMonitor(4, n=20)
    fit(model, callback)
    real = torch.randn(20, 2, generator=torch.Generator().manual_seed(2))
    measured = callback.measure(model, real, step=4)
    assert callback.measure(model, real, step=4) == measured
    assert callback.measure(model, real, step=5) != measured
    with torch.no_grad():
        for weight in model.generator.parameters():
            weight.zero_()
    # Now every sample is 0, and the distance is the mean distance of the data to 0.
    assert callback.measure(model, real, 4).exact == pytest.approx(
        float(real.norm(dim=1).mean()), rel=1e-5
    )


class Spying(TransportMonitor):
    """Keeps the real samples that it measured on."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.seen: list[Tensor] = []

    def measure(self, pl_module: Any, batch: Tensor, step: int) -> Any:
        self.seen.append(batch)
        return super().measure(pl_module, batch, step)


def test_real_samples_are_other_rows_of_the_whole_training_set_at_each_step() -> None:
    callback = Spying(1, n=100)
    data: Any = monitored(callback).datamodule  # type: ignore[attr-defined]
    rows = [set(map(tuple, samples_of(one).tolist())) for one in callback.seen]
    everything = set(map(tuple, data.real("train").tolist()))
    assert [len(one) for one in rows] == [100, 100]
    assert rows[0] <= everything
    assert rows[1] <= everything
    assert rows[0] != rows[1]


def test_without_a_data_module_it_makes_do_with_the_batch() -> None:
    callback = Spying(1, n=500)
    trainer = fit(make(WGANGP), callback, steps=1)
    assert [len(samples_of(one)) for one in callback.seen] == [8]
    assert trainer.callback_metrics["train/wasserstein_exact"] > 0


def test_dropout_is_off_while_measuring_and_as_before_afterwards() -> None:
    network = nn.Sequential(nn.Dropout(0.5), nn.Linear(2, 1).eval())
    with evaluating(network):
        assert not any(module.training for module in network.modules())
    assert [module.training for module in network.modules()] == [True, True, False]


def test_the_estimate_uses_the_exact_plan_of_the_two_samples() -> None:
    generator = torch.Generator().manual_seed(0)
    real, fake, epsilon = (
        torch.randn(30, 2, generator=generator),
        torch.randn(30, 2, generator=generator),
        torch.rand(30, generator=generator),
    )
    estimate = estimate_on_plan(MLPCritic((2,), hidden=(8,)), real, fake, epsilon)
    assert estimate.exact == pytest.approx(
        float(wasserstein_distance(real, fake)), rel=1e-5
    )


def test_a_module_without_generator_is_refused() -> None:
    from lightning.pytorch.demos.boring_classes import BoringModel

    with pytest.raises(ValueError, match="BoringModel has none"):
        TransportMonitor().setup(
            Trainer(accelerator="cpu", logger=False), BoringModel(), "fit"
        )
