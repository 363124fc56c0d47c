"""Files of version 0.1 load, run and resume: `tests/old_files` says how they came."""

import inspect
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

import callbacks
import datamodules
import lightning_modules
from datamodules import Interactions, PlantedInteractions, PointClouds, ShiftedBlobs
from lightning_modules import CML, WDGRL, WGANGP, load_network
from wasserstein_critics.cli import app

ARCHIVE = Path(__file__).parent / "old_files" / "version_0.1.zip"
NAMES = sorted(zipfile.ZipFile(ARCHIVE).namelist())
RUNS = [name.split("/")[0] for name in NAMES if name.endswith("config.yaml")]
RESUMED = [name for name in RUNS if f"{name}/resumed.safetensors" in NAMES]
EXPORTED = [
    name
    for name in NAMES
    if name.endswith(("generator.safetensors", "network.safetensors"))
]
pytestmark = pytest.mark.filterwarnings(
    # these fits have nothing to validate
    "ignore:You defined a `validation_step` but have no `val_dataloader`",
    # of these runs only the last checkpoint was kept
    "ignore:best-.*, the best checkpoint until now",
)


@pytest.fixture
def old(tmp_path: Path) -> Callable[[str], Path]:
    """The files of a run."""
    zipfile.ZipFile(ARCHIVE).extractall(tmp_path / "old")
    return lambda name: tmp_path / "old" / name


OTHER_RULE = {"python-cml-features"}
"""Runs that go on by a rule of a later version (docs/decisions/0024)."""


def old_weights(path: Path) -> dict[str, Tensor]:
    """Weights of a file by the names that they have now."""
    weights = load_file(path)
    return {k.replace("places.", "item_encoder."): v for k, v in weights.items()}


def same_weights(model: nn.Module, path: Path) -> None:
    weights, found = old_weights(path), model.state_dict()
    assert found.keys() == weights.keys()
    for name, weight in weights.items():
        torch.testing.assert_close(found[name], weight, rtol=1e-5, atol=1e-6)


def words(folder: Path, subcommand: str) -> list[str]:
    return [
        subcommand,
        f"--config={folder / 'config.yaml'}",
        f"--ckpt_path={folder / 'last.ckpt'}",
    ]


@pytest.mark.parametrize("name", RESUMED)
def test_a_resumed_fit_ends_where_the_old_version_ended(
    name: str, old: Callable[[str], Path]
) -> None:
    folder = old(name)
    cli = app.command_line([*words(folder, "fit"), "--trainer.max_steps=4"])
    assert cli.trainer.global_step == 4
    same_weights(cli.model, folder / "resumed.safetensors")


@pytest.mark.parametrize("subcommand", ["validate", "test", "predict"])
@pytest.mark.parametrize("name", RUNS)
def test_other_subcommands_take_config_and_checkpoint(
    name: str, subcommand: str, old: Callable[[str], Path]
) -> None:
    if subcommand == "predict" and name.startswith("classifier"):
        pytest.skip("a classifier predicts nothing")
    assert app.main(words(old(name), subcommand)) == 0


CASES: dict[str, tuple[type[pl.LightningModule], Callable[[Path], Any]]] = {
    "python-wgan_gp": (WGANGP, lambda _: PointClouds("ring8", batch_size=16)),
    "python-wdgrl": (WDGRL, lambda _: ShiftedBlobs(batch_size=16)),
    "python-cml": (CML, lambda _: PlantedInteractions(draw_order=True, batch_size=512)),
    "python-cml-features": (
        CML,
        lambda folder: Interactions(
            path=str(folder / "pairs.csv"),
            features=str(folder / "items.csv"),
            batch_size=8,
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_checkpoints_of_python_code_load_and_resume(
    name: str, old: Callable[[str], Path]
) -> None:
    cls, data = CASES[name]
    folder = old(name)
    pl.seed_everything(0, verbose=False)
    model = cls.load_from_checkpoint(folder / "last.ckpt")
    quiet: dict[str, Any] = dict.fromkeys(
        ("logger", "enable_checkpointing", "enable_progress_bar"), False
    )
    run = pl.Trainer(
        max_steps=4,
        max_epochs=-1,
        limit_val_batches=0,
        enable_model_summary=False,
        **quiet,
    )
    run.fit(model, data(folder), ckpt_path=folder / "last.ckpt", weights_only=True)
    if name in OTHER_RULE:
        shapes = {key: weight.shape for key, weight in model.state_dict().items()}
        for key, weight in old_weights(folder / "resumed.safetensors").items():
            assert shapes[key] == weight.shape
    else:
        same_weights(model, folder / "resumed.safetensors")


@pytest.mark.parametrize("path", EXPORTED)
def test_exported_networks_load(path: str, old: Callable[[str], Path]) -> None:
    network = load_network(old(path))
    for name, weight in load_file(old(path)).items():
        assert torch.equal(network.state_dict()[name], weight)


@pytest.mark.parametrize("package", [lightning_modules, datamodules, callbacks])
def test_a_positional_argument_means_what_it_meant(package: ModuleType) -> None:
    """It has its old place, or is a keyword now, which says so; none took another's."""
    old = json.loads(zipfile.ZipFile(ARCHIVE).read("positional.json"))
    for name in package.__all__:
        cls = vars(package)[name]
        before = old.get(f"{package.__name__}.{name}")
        if before is None or not isinstance(cls, type):
            continue
        parameters = inspect.signature(cls).parameters.values()
        now = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        shared = min(len(now), len(before))
        assert now[:shared] == before[:shared], name
