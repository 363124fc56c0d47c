"""What an offline W&B run really holds, read back from its file."""

import json
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import torch
import wandb
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, Logger, WandbLogger

from callbacks import ExactResume, ExportNetwork
from callbacks.critics.critic_weights import CriticWeights
from callbacks.critics.gradient_norms import GradientNorms
from callbacks.critics.transport_monitor import TransportMonitor
from callbacks.generative.sample_grid import SampleGrid
from callbacks.runs.run_config import RunConfig
from callbacks.runs.wandb_run import (
    WandbRun,
    continue_wandb_run,
    summary_of,
    wandb_run_id,
)
from datamodules import Digits
from lightning_modules import WGAN, MLPCritic, MLPGenerator
from lightning_modules.core.recipe import load_network
from tests.support.command_line import inspect_wandb_run

Record = dict[str, Any]

# wandb 0.31 complains about settings that Lightning 2.6 still passes.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:wandb"),
    # Resumed runs here get a directory of their own, so that files can be told apart.
    pytest.mark.filterwarnings("ignore:The dirpath has changed"),
]


@pytest.fixture(autouse=True)
def _no_run_left_open() -> Iterator[None]:
    yield
    wandb.finish()


def inspect(folder: Path, *options: str) -> list[Record]:
    """The records of the newest offline run."""
    wandb.finish()
    (run,) = folder.glob("wandb/offline-run-*")
    done = inspect_wandb_run(run, "--json", *options)
    if done.returncode != 0:
        pytest.skip(f"this wandb cannot read its own files: {done.stderr[:200]}")
    if "--summary" in options:
        return [json.loads(done.stdout)]
    return [json.loads(line) for line in done.stdout.splitlines()]


class FakeRunConfig(RunConfig):
    """A `RunConfig` as the CLI makes it, without a CLI."""

    def __init__(self) -> None:
        pass

    @property
    def resolved(self) -> dict[str, Any]:
        return {"seed_everything": 3, "model": {"init_args": {"clip": 0.02}}}

    def on_train_start(self, *_: Any) -> None:
        pass


def module() -> WGAN:
    torch.manual_seed(0)
    return WGAN(
        MLPGenerator(3, (1, 8, 8), hidden=(8,), output="tanh"),
        MLPCritic((1, 8, 8), hidden=(8,)),
        clip=0.02,
        n_critic=2,
    )


def fit(
    folder: Path,
    logger: Logger,
    *callbacks: Callback,
    steps: int = 4,
    ckpt_path: Path | None = None,
) -> Trainer:
    trainer = Trainer(
        max_steps=steps,
        max_epochs=-1,
        accelerator="cpu",
        logger=logger,
        callbacks=[
            WandbRun(),
            ModelCheckpoint(save_last=True),
            *callbacks,
        ],
        default_root_dir=folder,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
        val_check_interval=4,
        check_val_every_n_epoch=None,
        limit_val_batches=1,
        num_sanity_val_steps=0,
    )
    continue_wandb_run(trainer, ckpt_path)
    trainer.fit(module(), datamodule=Digits(batch_size=32), ckpt_path=ckpt_path)
    return trainer


def test_an_offline_run_holds_everything_that_was_asked_for(tmp_path: Path) -> None:
    logger = WandbLogger(project="tests", save_dir=tmp_path, log_model=True)
    trainer = fit(
        tmp_path,
        logger,
        FakeRunConfig(),
        SampleGrid(2, n_samples=4),
        CriticWeights(2),
        GradientNorms(2),
        TransportMonitor(2, n=16),
        ExportNetwork(),
    )
    records = inspect(tmp_path)
    text = {
        kind: json.dumps([r for r in records if r["type"] == kind]) for kind in KINDS
    }
    summary = inspect(tmp_path, "--summary")[0]

    # The full configuration, the commit and the package versions.
    config = summary["config"]
    assert config["model"]["init_args"]["clip"] == 0.02
    assert config["seed_everything"] == 3
    assert config["run"]["packages"]["torch"] == metadata.version("torch")
    assert "commit" in config["run"]

    # Summaries: the least validation distance, not the last.
    assert set(summary["summary"]["val/sliced_wasserstein"]) == {"min"}
    assert set(summary["summary"]["val/wasserstein"]) == {"min"}
    assert set(summary["summary"]["train/wasserstein"]) == {"min", "max", "last"}

    # Histories, on the axis of player updates.
    for key in (
        "train/wasserstein",
        "train/clip_saturation",
        "train/critic_slope",
        "train/wasserstein_per_slope",
        "grad_norm/critic/total",
        "val/sliced_wasserstein",
        "critic_weights",
        "samples",
    ):
        assert key in text["history"], key
    assert summary["summary"]["trainer/global_step"] == trainer.global_step == 4

    # Pictures with their captions.
    assert "step 2" in text["history"]
    assert "step 4" in text["history"]
    images = "wandb/offline-run-*/files/media/images"
    assert len(list(tmp_path.glob(f"{images}/samples_*.png"))) == 2
    assert len(list(tmp_path.glob(f"{images}/transport_*.png"))) == 1
    assert not (tmp_path / "images").exists()

    # Checkpoint and generator as artifacts.
    assert f"model-{logger.version}" in text["artifact"]
    assert f"generator-{logger.version}" in text["artifact"]
    assert "generator.safetensors" in text["artifact"]


KINDS = ("history", "config", "metric", "artifact", "summary")


def test_without_export_callback_the_generator_is_written_and_uploaded(
    tmp_path: Path,
) -> None:
    logger = WandbLogger(project="tests", save_dir=tmp_path)
    fit(tmp_path, logger, steps=1)
    (path,) = tmp_path.rglob("generator.safetensors")
    assert load_network(path)(torch.zeros(2, 3)).shape == (2, 1, 8, 8)
    assert f"generator-{logger.version}" in json.dumps(inspect(tmp_path))


class Seed(FakeRunConfig):
    """The config of a run with another seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    @property
    def resolved(self) -> dict[str, Any]:
        return {"seed_everything": self.seed}


@pytest.mark.filterwarnings("ignore:There is a wandb run already in progress")
def test_two_runs_of_a_process_have_an_id_and_a_config_each(tmp_path: Path) -> None:
    ids = []
    for seed in (3, 4):
        logger = WandbLogger(project="tests", save_dir=tmp_path / str(seed))
        fit(tmp_path / str(seed), logger, Seed(seed), steps=1)
        ids.append(logger.version)
    assert ids[0] != ids[1]
    for seed in (3, 4):
        (found,) = inspect(tmp_path / str(seed), "--summary")
        assert found["config"]["seed_everything"] == seed


def test_a_resumed_run_continues_the_run_of_its_checkpoint(tmp_path: Path) -> None:
    first = WandbLogger(project="tests", save_dir=tmp_path / "a")
    fit(tmp_path, first, ExactResume(), steps=2)
    wandb.finish()
    (last,) = (tmp_path / "a").rglob("last.ckpt")
    assert wandb_run_id(last) == first.version
    second = WandbLogger(project="tests", save_dir=tmp_path / "b")
    fit(tmp_path, second, ExactResume(), steps=4, ckpt_path=last)
    assert second.version == second.experiment.id == first.version
    (run,) = (tmp_path / "b" / "wandb").glob("offline-run-*")
    assert run.name.endswith(f"-{first.version}")
    (later,) = (tmp_path / "b").rglob("last.ckpt")
    assert wandb_run_id(later) == first.version


def test_a_resume_that_opens_a_new_run_by_mistake_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = WandbLogger(project="tests", save_dir=tmp_path / "a")
    fit(tmp_path, first, ExactResume(), steps=1)
    wandb.finish()
    (last,) = (tmp_path / "a").rglob("last.ckpt")
    monkeypatch.setitem(fit.__globals__, "continue_wandb_run", lambda *_: None)
    second = WandbLogger(project="tests", save_dir=tmp_path / "b")
    with pytest.warns(UserWarning, match=f"belongs to W&B run {first.version}"):
        fit(tmp_path, second, ExactResume(), steps=2, ckpt_path=last)
    wandb.finish()
    own = WandbLogger(project="tests", save_dir=tmp_path / "c", id="a-fork")
    fit(
        tmp_path, own, ExactResume(), steps=3, ckpt_path=last
    )  # no warning: it is meant


def test_an_id_that_the_user_chose_stays(tmp_path: Path) -> None:
    torch.save({"callbacks": {"WandbRun": {"run_id": "old"}}}, tmp_path / "a.ckpt")
    assert wandb_run_id(tmp_path / "a.ckpt") == "old"
    chosen = WandbLogger(project="tests", save_dir=tmp_path, id="mine")
    continue_wandb_run(Trainer(accelerator="cpu", logger=chosen), tmp_path / "a.ckpt")
    assert chosen.version == "mine"


@pytest.mark.parametrize("path", [None, "no-such.ckpt", "last"])
def test_without_a_checkpoint_file_the_logger_stays_as_it_is(
    tmp_path: Path, path: str | None
) -> None:
    logger = WandbLogger(project="tests", save_dir=tmp_path)
    continue_wandb_run(Trainer(accelerator="cpu", logger=logger), path)
    assert logger.version is None


def test_a_checkpoint_of_a_run_without_wandb_names_no_run(tmp_path: Path) -> None:
    torch.save({"callbacks": {}}, tmp_path / "a.ckpt")
    logger = WandbLogger(project="tests", save_dir=tmp_path)
    continue_wandb_run(Trainer(accelerator="cpu", logger=logger), tmp_path / "a.ckpt")
    assert logger.version is None


def test_without_a_wandb_logger_nothing_happens(tmp_path: Path) -> None:
    trainer = fit(tmp_path, CSVLogger(tmp_path), steps=1)
    (callback,) = [c for c in trainer.callbacks if isinstance(c, WandbRun)]  # type: ignore[attr-defined]
    assert callback.state_dict() == {}
    assert not list(tmp_path.rglob("*.safetensors"))
    assert not (tmp_path / "wandb").exists()


def test_other_ranks_open_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = WandbLogger(project="tests", save_dir=tmp_path)
    trainer = Trainer(accelerator="cpu", logger=logger)
    monkeypatch.setattr(Trainer, "is_global_zero", property(lambda _: False))
    callback = WandbRun()
    for hook in (callback.on_fit_start, callback.on_fit_end):
        hook(trainer, module())
    callback.setup(trainer, module(), "fit")
    assert logger._experiment is None


def test_the_longest_pattern_decides_the_summary() -> None:
    summaries = WandbRun({"val/*": "last", "val/fid": "mean"}).summaries
    assert summary_of("val/other", summaries) == "last"
    assert summary_of("val/fid", summaries) == "mean"
    assert summary_of("test/accuracy_macro", summaries) == "max"
    assert summary_of("grad_norm/critic/total", summaries) is None


@pytest.mark.parametrize("stage", ["val", "test"])
def test_the_best_value_is_the_greatest_where_more_is_better(stage: str) -> None:
    greatest = ("modes", "high_quality", "inception_score", "min_class_share")
    for name in (*greatest, "accuracy"):
        assert summary_of(f"{stage}/{name}", WandbRun().summaries) == "max"
    for name in ("fid", "kid", "reverse_kl", "max_class_share", "wasserstein"):
        assert summary_of(f"{stage}/{name}", WandbRun().summaries) == "min"
