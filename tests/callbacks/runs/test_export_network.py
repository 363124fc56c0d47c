"""Exported networks are those that samples come from."""

from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback, Trainer
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
from tests.support.trainers import LOGGING_TRAINER, Loader


def wgan_gp(shape: tuple[int, ...] = (2,)) -> WGANGP:
    return WGANGP(MLPGenerator(2, shape), MLPCritic(shape), n_critic=1)


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


def test_a_network_that_cannot_be_exported_is_refused_before_training() -> None:
    def fit(network: str, module: WGANGP) -> None:
        trainer = Trainer(
            fast_dev_run=1, callbacks=[ExportNetwork(network)], **LOGGING_TRAINER
        )
        trainer.fit(module, BATCHES, BATCHES)

    with pytest.raises(ValueError, match="WGANGP has no network 'embedding'"):
        fit("embedding", wgan_gp())
    module = wgan_gp()
    module.critic = MLPCritic((2,), init=torch.zeros)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^init of MLPCritic is a builtin_function"):
        fit("critic", module)
    module.critic = nn.Sequential(nn.Linear(2, 1), nn.Flatten(0))
    with pytest.raises(
        ValueError, match=r"^Sequential keeps no recipe: decorate the class"
    ):
        fit("critic", module)


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


def test_a_part_without_a_recipe_is_refused_before_training() -> None:
    model = MMD(nn.Linear(5, 4), LinearClassifier(4, 3), 3)
    trainer = Trainer(
        fast_dev_run=1, callbacks=[ExportNetwork("adapted")], **LOGGING_TRAINER
    )
    with pytest.raises(ValueError, match=r"^Linear keeps no recipe: decorate the c"):
        trainer.fit(model, datamodule=Herds())
