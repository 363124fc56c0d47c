"""Exported networks are those that samples come from."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from safetensors.torch import load_file
from torch import nn

from callbacks import (
    ExportNetwork,
    WeightEMA,
)
from lightning_modules.adaptation.mmd import MMD
from lightning_modules.core.recipe import load_network
from lightning_modules.generative.wgan_gp import WGANGP
from lightning_modules.networks import (
    LinearClassifier,
    MLPCritic,
    MLPExtractor,
    MLPGenerator,
)
from tests.support.adapting import Herds
from tests.support.command_line import tiny, write
from tests.support.trainers import LOGGING_TRAINER, Loader
from wasserstein_critics.cli import app


def wgan_gp(shape: tuple[int, ...] = (2,)) -> WGANGP:
    return WGANGP(MLPGenerator(2, shape), MLPCritic(shape), n_critic=1)


OWN = """
import torch

class Shift(torch.nn.Module):
    latent_dim = 2

    def __init__(self) -> None:
        super().__init__()
        self.by = torch.nn.Parameter(torch.zeros(2))

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        return latent + self.by
"""
BATCHES = Loader([torch.randn(4, 2)] * 3)


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
        **LOGGING_TRAINER,
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
        callbacks=[ExportNetwork()],
        default_root_dir=tmp_path,
        fast_dev_run=1,
        **LOGGING_TRAINER,
    )
    trainer.fit(wgan_gp(), BATCHES, BATCHES)
    assert list(tmp_path.iterdir()) == []


def fit(folder: Path, network: str, module: Any, *data: Any) -> None:
    trainer = Trainer(
        logger=False,
        max_steps=2,
        callbacks=[ExportNetwork(network)],
        default_root_dir=folder,
        **LOGGING_TRAINER,
    )
    trainer.fit(module, *data)


def test_a_network_that_is_not_there_is_refused_before_training(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="WGANGP has no network 'embedding'"):
        fit(tmp_path, "embedding", wgan_gp(), BATCHES, BATCHES)


def tied() -> nn.Sequential:
    """A critic whose second layer has the weights of the first."""
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    second.weight = first.weight
    return nn.Sequential(first, second, nn.Linear(2, 1), nn.Flatten(0))


@pytest.mark.parametrize(
    ("critic", "why"),
    [
        (tied, "Sequential keeps no recipe: decorate the class"),
        (
            lambda: MLPCritic((2,), init=torch.zeros),  # type: ignore[arg-type]
            "init of MLPCritic is a builtin_function",
        ),
    ],
)
def test_weights_of_a_network_that_cannot_be_described_are_written_and_warned_of(
    critic: Any, why: str, tmp_path: Path
) -> None:
    module = WGANGP(MLPGenerator(2, (2,)), critic(), n_critic=1)
    with pytest.warns(UserWarning, match=f"critic.safetensors .* alone, since {why}"):
        fit(tmp_path, "critic", module, BATCHES, BATCHES)
    path = tmp_path / "critic.safetensors"
    again = critic()
    again.load_state_dict(load_file(path))
    x = torch.randn(5, 2)
    assert torch.equal(again(x), module.critic(x))
    with pytest.raises(ValueError, match="without a recipe: build the network yourse"):
        load_network(path)


def test_a_generator_of_the_users_own_is_trained_from_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("shift_network.py").write_text(OWN)
    monkeypatch.syspath_prepend(Path.cwd())
    config = tiny()
    config["model"]["init_args"]["generator"] = {"class_path": "shift_network.Shift"}
    config["trainer"]["callbacks"].append({"class_path": "ExportNetwork"})
    write(config)
    with pytest.warns(UserWarning, match="since Shift keeps no recipe: decorate the"):
        assert app.main(["fit", "--config", "tiny.yaml"]) == 0
    (path,) = Path("runs").rglob("generator.safetensors")
    assert load_file(path)["by"].shape == (2,)
    last = next(Path("runs").rglob("last.ckpt"))
    words = ["--config", "tiny.yaml", "--ckpt_path", str(last)]
    assert app.main(["test", *words]) == 0
    assert "error" not in capsys.readouterr().err


# Networks inside others -------------------------------------------------------------


def adapted(folder: Path, network: str, *, averaged: bool) -> tuple[MMD, WeightEMA]:
    """An adaptation that was trained for a few steps, and its average."""
    torch.manual_seed(0)
    model, ema = (
        MMD(MLPExtractor((5,), (4,)), LinearClassifier(4, 3), 3),
        WeightEMA(0.5),
    )
    observers: list[Callback] = [ExportNetwork(network), *([ema] if averaged else [])]
    trainer = Trainer(
        logger=False,
        callbacks=observers,
        default_root_dir=folder,
        max_steps=3,
        **LOGGING_TRAINER,
    )
    trainer.fit(model, datamodule=Herds())
    return model, ema


@pytest.mark.parametrize("averaged", [True, False])
@pytest.mark.parametrize("network", ["extractor", "adapted.extractor"])
def test_a_part_of_the_averaged_networks_is_written_averaged(
    tmp_path: Path, network: str, averaged: bool
) -> None:
    model, ema = adapted(tmp_path, network, averaged=averaged)
    (path,) = tmp_path.glob("*.safetensors")
    assert path.name == f"{network}.safetensors"
    loaded, x = load_network(path), torch.randn(6, 5)
    model.eval()
    assert torch.equal(loaded(x), model.extractor(x)) is not averaged
    with ema.averaged(model):
        assert torch.equal(loaded(x), model.extractor(x))


@pytest.mark.parametrize("averaged", [True, False])
def test_a_container_is_written_part_by_part(tmp_path: Path, averaged: bool) -> None:
    model, ema = adapted(tmp_path, "adapted", averaged=averaged)
    extractor, classifier = (
        load_network(tmp_path / f"adapted.{name}.safetensors")
        for name in ("extractor", "classifier")
    )
    x = torch.randn(6, 5)
    with ema.averaged(model.eval()):
        assert torch.equal(classifier(extractor(x)), model(x))
    assert len(list(tmp_path.iterdir())) == 2


def test_a_part_without_a_recipe_is_written_as_weights(tmp_path: Path) -> None:
    extractor = nn.Linear(5, 4)
    model = MMD(extractor, LinearClassifier(4, 3), 3)
    with pytest.warns(UserWarning, match=r"since Linear keeps no recipe: decorate the"):
        fit(tmp_path, "adapted", model, Herds())
    weights = load_file(tmp_path / "adapted.extractor.safetensors")
    assert torch.equal(weights["weight"], extractor.weight)
    load_network(tmp_path / "adapted.classifier.safetensors")
