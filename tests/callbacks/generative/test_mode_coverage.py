from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from torch import Tensor

from callbacks import ModeCoverageMonitor
from callbacks.generative.sampling import CHUNK
from datamodules import Digits, PointClouds
from lightning_modules import WGANGP, MLPCritic, MLPGenerator
from lightning_modules.functional.modes import mode_coverage
from tests.support.trainers import QUIET_TRAINER, MetricsFile

NAMES = ("modes", "high_quality", "reverse_kl")


class PerfectSampler(WGANGP):
    """Draws from the ring itself, whatever its networks say."""

    def __init__(self) -> None:
        super().__init__(
            MLPGenerator(2, (2,), hidden=(4,)), MLPCritic((2,), hidden=(4,))
        )
        self.seeds: list[int] = []

    def sample(self, n: int, seed: int = 0) -> Tensor:
        self.seeds.append(seed)
        generator = torch.Generator().manual_seed(seed)
        return ring().draw(n, generator).x


def ring() -> PointClouds:
    return PointClouds("ring8", n_train=512, n_val=64, n_test=64)


def trainer(*callbacks: pl.Callback, **kwargs: Any) -> pl.Trainer:
    settings: dict[str, Any] = {
        **QUIET_TRAINER,
        "devices": 1,
        "max_steps": 2,
        "callbacks": list(callbacks),
    }
    return pl.Trainer(**(settings | kwargs))


@pytest.mark.parametrize("stage", ["val", "test"])
def test_logged_numbers_are_those_of_all_samples(stage: str) -> None:
    module, data, run = PerfectSampler(), ring(), trainer(ModeCoverageMonitor(600))
    evaluate = run.validate if stage == "val" else run.test
    evaluate(module, datamodule=data, verbose=False)
    sizes = [CHUNK, CHUNK, 600 - 2 * CHUNK]
    drawn = [module.sample(n, seed=1_000_003 + i) for i, n in enumerate(sizes)]
    assert data.modes is not None
    expected = mode_coverage(torch.cat(drawn), data.modes, data.mode_std)._asdict()
    for name in NAMES:
        found = float(run.callback_metrics[f"{stage}/{name}"])
        assert found == pytest.approx(float(expected[name]))


def test_the_same_samples_are_judged_at_every_validation() -> None:
    module = PerfectSampler()
    run = trainer(
        ModeCoverageMonitor(300), val_check_interval=1, num_sanity_val_steps=1
    )
    run.fit(module, datamodule=ring())
    # one chunk is short; nothing is judged in the sanity check
    judged = [seed for seed in module.seeds if seed >= 1_000_003]
    assert len(judged) >= 4
    assert judged == judged[:2] * (len(judged) // 2)


class CollapsingSampler(PerfectSampler):
    """Draws from the ring at first, and from one mode only after that."""

    def sample(self, n: int, seed: int = 0) -> Tensor:
        drawn = super().sample(n, seed)
        centre = torch.tensor([1.0, 0.0])
        first = self.seeds.count(seed) == 1
        return drawn if first else centre.expand_as(drawn)


def test_a_validation_forgets_the_one_before() -> None:
    run = trainer(
        ModeCoverageMonitor(200), val_check_interval=1, num_sanity_val_steps=0
    )
    run.fit(CollapsingSampler(), datamodule=ring())
    assert float(run.callback_metrics["val/modes"]) == 1.0


@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_two_processes_log_what_one_logs(tmp_path: Path) -> None:
    found = []
    for devices in (1, 2):
        run = trainer(
            ModeCoverageMonitor(700),
            MetricsFile(tmp_path / "found.pt", *(f"test/{name}" for name in NAMES)),
            devices=devices,
            strategy="ddp_fork" if devices == 2 else "auto",
        )
        run.test(PerfectSampler(), datamodule=ring(), verbose=False)
        found.append(torch.load(tmp_path / "found.pt", weights_only=True))
    assert found[0] == pytest.approx(found[1], rel=1e-6)


@pytest.mark.parametrize("data", [Digits(), PointClouds("swiss_roll"), None])
def test_data_without_known_modes_is_refused(data: Any) -> None:
    run = trainer()
    run.datamodule = data  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="needs data with known modes"):
        ModeCoverageMonitor().setup(run, PerfectSampler(), "fit")


def test_a_module_that_draws_no_samples_is_refused() -> None:
    with pytest.raises(ValueError, match="LightningModule has no generator: remove it"):
        ModeCoverageMonitor().setup(trainer(), pl.LightningModule(), "fit")


def test_predicting_needs_no_modes() -> None:
    ModeCoverageMonitor().setup(trainer(), PerfectSampler(), "predict")


def test_a_sample_count_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="n_samples must be at least 1"):
        ModeCoverageMonitor(0)
