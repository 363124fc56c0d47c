import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
import torch
import yaml
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.cli import LightningCLI
from lightning.pytorch.demos.boring_classes import BoringModel
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger, WandbLogger
from lightning.pytorch.loggers.logger import DummyLogger
from PIL import Image
from torch import Tensor, nn

import lightning_modules
from callbacks import (
    ExportNetwork,
    RunConfig,
    SampleWriter,
    WeightEMA,
    run_directory,
    write_whole,
)
from callbacks.runs.run_config import git_commit, provenance
from callbacks.runs.run_directory import agreed_run_directory
from lightning_modules.core.recipe import load_network
from lightning_modules.generative.wgan_gp import WGANGP
from lightning_modules.networks import MLPCritic, MLPGenerator

QUIET: dict[str, Any] = {
    "accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False,
    "enable_checkpointing": False, "log_every_n_steps": 1, "limit_val_batches": 0,
}  # fmt: skip


class Loader(list[Tensor]):
    """Batches that Lightning takes for one loader, where a plain list is several."""


def wgan_gp(shape: tuple[int, ...] = (2,)) -> WGANGP:
    return WGANGP(MLPGenerator(2, shape), MLPCritic(shape), n_critic=1)


BATCHES = Loader([torch.randn(4, 2)] * 3)


# Whole files ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", ["hé", "hé".encode(), lambda file: file.write("hé".encode())]
)
def test_a_file_is_written_whole(tmp_path: Path, content: Any) -> None:
    path = write_whole(tmp_path / "deep" / "file", content)
    assert path.read_bytes() == "hé".encode()
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = write_whole(tmp_path / "file", "old")

    def fail(file: BinaryIO) -> None:
        file.write(b"half")
        raise InterruptedError

    with pytest.raises(InterruptedError):
        write_whole(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


# The run's directory ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("logger", "expected"),
    [
        (lambda: CSVLogger("logs", "csv"), "logs/csv/version_0"),
        (lambda: CSVLogger("logs", "csv", "mine"), "logs/csv/mine"),
        (lambda: TensorBoardLogger("logs", "tb"), "logs/tb/version_0"),
        (lambda: WandbLogger("p", "logs", version="1a2b", project="p"), "logs/p/1a2b"),
        (lambda: [CSVLogger("a", "b"), CSVLogger("c")], "a/b/version_0"),
        (lambda: DummyLogger(), "root"),
        (lambda: WandbLogger("p", "logs", project="p"), "logs/p"),  # no id yet
        (lambda: False, "root"),
    ],
)
def test_a_run_has_the_directory_of_its_first_logger(
    logger: Any, expected: str
) -> None:
    trainer = Trainer(logger=logger(), default_root_dir="root", **QUIET)
    assert run_directory(trainer) == agreed_run_directory(trainer)
    assert run_directory(trainer).resolve() == Path(expected).resolve()


def test_all_ranks_agree_on_the_directory_of_rank_0(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trainer = Trainer(logger=False, **QUIET)
    monkeypatch.setattr(trainer.strategy, "broadcast", lambda _: "of rank 0")
    assert agreed_run_directory(trainer) == Path("of rank 0")


# What ran ---------------------------------------------------------------------------


class Fails(Callback):
    def on_fit_start(self, *_: Any) -> None:
        raise InterruptedError


def cli(*arguments: str, fail: bool = False) -> LightningCLI:
    words = ["train.py", "fit", "--trainer.max_steps=1", *arguments]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", words)
        # Lightning 2.6 calls jsonargparse in a way that jsonargparse 5 renames.
        patch.setenv("JSONARGPARSE_DEPRECATION_WARNINGS", "off")
        return LightningCLI(
            BoringModel,
            save_config_callback=RunConfig,
            trainer_defaults=QUIET | {"callbacks": [Fails()] if fail else []},
        )


def test_the_resolved_config_lies_in_the_runs_own_directory() -> None:
    arguments = ["--trainer.logger=CSVLogger", "--trainer.logger.save_dir=logs"]
    for version in range(2):  # a second run in the same directory works
        run = cli(*arguments, f"--seed_everything={version}")
        directory = run_directory(run.trainer)
        assert directory.name == f"version_{version}"
        config = yaml.safe_load((directory / "config.yaml").read_text())
        assert config["seed_everything"] == version
        assert config["trainer"]["max_steps"] == 1
        assert "accumulate_grad_batches" in config["trainer"]  # defaults too
        facts = json.loads((directory / "run.json").read_text())
        assert facts["packages"]["torch"] == metadata.version("torch")
    saver = next(c for c in run.trainer.callbacks if isinstance(c, RunConfig))  # type: ignore[attr-defined]
    assert saver.resolved == config


def test_an_earlier_config_in_the_same_directory_is_kept() -> None:
    for seed in (1, 2, 2, 3):
        cli("--trainer.logger=false", f"--seed_everything={seed}")
    seeds = {p.name: yaml.safe_load(p.read_text())["seed_everything"]
             for p in Path().glob("config*.yaml")}  # fmt: skip
    assert seeds == {"config.yaml": 3, "config-1.yaml": 1, "config-2.yaml": 2}


def test_a_run_that_fails_in_set_up_leaves_no_config() -> None:
    with pytest.raises(InterruptedError):
        cli("--trainer.logger=false", "--seed_everything=1", fail=True)
    assert not list(Path().glob("**/config.yaml"))


def test_the_commit_is_that_of_the_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*words: str) -> str:
        identity = ["-c", "user.name=n", "-c", "user.email=e@x"]
        command = ["git", *identity, "-C", str(tmp_path), *words]
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()

    code = write_whole(tmp_path / "__init__.py", "")
    monkeypatch.setattr(lightning_modules, "__file__", str(code))
    assert git_commit() is None  # no repository
    git("init")
    git("commit", "--allow-empty", "-m", "theirs")
    assert git_commit() is None  # untracked: somebody else's repository
    git("add", ".")
    git("commit", "-m", "ours")
    assert git_commit() == git("rev-parse", "HEAD") != ""
    assert provenance()["modified"] is False
    code.write_text("changed = True\n")
    assert provenance()["modified"] is True


def test_provenance_needs_neither_git_nor_installed_packages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("callbacks.runs.run_config.PACKAGES", ("no-such-package",))
    facts = provenance()
    assert facts["commit"] is facts["modified"] is None
    assert facts["packages"] == {"no-such-package": None}


# The exported network ---------------------------------------------------------------


@pytest.mark.parametrize("averaged", [True, False])
def test_the_exported_generator_is_the_one_that_samples_come_from(
    tmp_path: Path, averaged: bool
) -> None:
    ema, module = WeightEMA(0.5), wgan_gp()
    observers: list[Callback] = [ExportNetwork(), *([ema] if averaged else [])]
    observers.append(ExportNetwork("critic"))
    trainer = Trainer(
        logger=False,
        callbacks=observers,
        default_root_dir=tmp_path,
        max_steps=3,
        **QUIET,
    )
    trainer.fit(module, BATCHES, BATCHES)
    latent = torch.randn(5, 2)
    live = module.eval()(latent)
    loaded = load_network(tmp_path / "generator.safetensors")
    assert torch.equal(loaded(latent), live) is not averaged
    with ema.averaged(module):
        assert torch.equal(loaded(latent), module(latent))
    critic = load_network(tmp_path / "critic.safetensors")
    assert torch.equal(critic(live), module.critic(live))


def test_a_smoke_run_exports_nothing(tmp_path: Path) -> None:
    trainer = Trainer(
        callbacks=[ExportNetwork()], default_root_dir=tmp_path, fast_dev_run=1, **QUIET
    )
    trainer.fit(wgan_gp(), BATCHES, BATCHES)
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_cannot_be_exported_is_refused_before_training() -> None:
    def fit(network: str, module: WGANGP) -> None:
        trainer = Trainer(fast_dev_run=1, callbacks=[ExportNetwork(network)], **QUIET)
        trainer.fit(module, BATCHES, BATCHES)

    with pytest.raises(ValueError, match="WGANGP has no network 'embedding'"):
        fit("embedding", wgan_gp())
    module = wgan_gp()
    module.critic = nn.Sequential(nn.Linear(2, 1), nn.Flatten(0))
    with pytest.raises(ValueError, match="'critic' keeps no recipe"):
        fit("critic", module)


# Predictions ------------------------------------------------------------------------


def predict(module: WGANGP, batches: Any, directory: Path, **settings: Any) -> Path:
    trainer = Trainer(
        logger=False, callbacks=[SampleWriter(grid_size=4)], default_root_dir=directory,
        **QUIET | settings,
    )  # fmt: skip
    trainer.predict(module, Loader(batches), return_predictions=False)
    return directory / "predictions"


def test_predicted_images_are_written_as_pictures_and_arrays(tmp_path: Path) -> None:
    module = wgan_gp((1, 8, 8))
    directory = predict(module, [torch.arange(3), torch.arange(3, 5)], tmp_path)
    samples: Tensor = torch.load(directory / "samples.pt", weights_only=True)
    expected = module.predict_step(torch.arange(5), 0)
    torch.testing.assert_close(samples, expected.detach())
    np.testing.assert_array_equal(
        np.load(directory / "samples.npz")["samples"], samples
    )
    names = sorted(p.name for p in (directory / "images").iterdir())
    assert names == [f"{i:05d}.png" for i in range(5)]
    pixels = np.asarray(Image.open(directory / "images" / "00003.png"))[..., 0]
    levels = (samples[3, 0].clamp(-1, 1) + 1) * 127.5
    np.testing.assert_allclose(pixels, levels, atol=0.51)
    with Image.open(directory / "grid.png") as grid:
        assert grid.size == (2 * 64 + 3 * 4, 2 * 64 + 3 * 4)
    assert list(tmp_path.iterdir()) == [directory]


def test_an_earlier_prediction_is_kept(tmp_path: Path) -> None:
    for _ in range(2):
        predict(wgan_gp(), [torch.arange(6)], tmp_path)
    found = {p.relative_to(tmp_path).as_posix() for p in tmp_path.glob("*/*")}
    files = ("samples.pt", "samples.npz", "scatter.png")
    assert found == {
        f"{d}/{f}" for d in ("predictions", "predictions-1") for f in files
    }


@pytest.mark.filterwarnings("ignore:.*use of fork.*may lead to deadlocks")
def test_two_processes_write_each_sample_once_and_in_order(tmp_path: Path) -> None:
    class Shares(BoringModel):
        def predict_dataloader(self) -> Any:
            rank = self.trainer.global_rank  # both make number 4, as if rows ran out
            own = torch.tensor([[2, 3], [0, 1]][rank])
            return Loader([own, torch.tensor([4])])

        def predict_step(self, batch: Tensor, batch_idx: int) -> Tensor:  # noqa: ARG002
            return batch[:, None].float() * torch.tensor([1.0, 10.0])

    trainer = Trainer(
        logger=False, callbacks=[SampleWriter()], devices=2,
        default_root_dir=tmp_path / "run",
        strategy="ddp_fork", use_distributed_sampler=False, **QUIET,
    )  # fmt: skip
    trainer.predict(Shares())
    samples = torch.load(tmp_path / "run/predictions/samples.pt", weights_only=True)
    assert samples[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["predictions"]


def test_samples_without_a_picture_are_written_as_arrays(tmp_path: Path) -> None:
    directory = predict(wgan_gp((5,)), [torch.arange(3)], tmp_path)
    assert {p.name for p in directory.iterdir()} == {"samples.pt", "samples.npz"}


def test_a_smoke_run_writes_no_predictions(tmp_path: Path) -> None:
    predict(wgan_gp(), [torch.arange(3)], tmp_path, fast_dev_run=1)
    assert list(tmp_path.iterdir()) == []


def test_predict_batches_that_are_not_sample_numbers_are_refused(
    tmp_path: Path,
) -> None:
    class Same(WGANGP):
        def predict_step(self, batch: Tensor, batch_idx: int) -> Tensor:  # noqa: ARG002
            return batch

    module = Same(MLPGenerator(2, (2,)), MLPCritic((2,)))
    with pytest.raises(ValueError, match="needs predict batches of sample numbers"):
        predict(module, [torch.randn(3, 2)], tmp_path)
    with pytest.raises(ValueError, match="grid_size must be at least 1, got 0"):
        SampleWriter(0)
