import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule
from safetensors import safe_open

import callbacks
import datamodules
import lightning_modules
from lightning_modules import (
    MMD,
    WGAN,
    Classifier,
    ConvClassifier,
    LinearDecay,
    LinearMap,
    MetricLearner,
)
from lightning_modules.core.old_files import (
    count_steps_manually,
    rename_encoder,
    upgraded,
)
from lightning_modules.core.public_names import PACKAGES, class_path, public_path
from tests.support import domains, games
from tests.support.command_line import tiny, write
from tests.support.shipped import METHODS, topic_of
from wasserstein_critics.cli.app import main


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # modules of version 0.1 that exist no more
        ("lightning_modules.wgan_gp.WGANGP", "lightning_modules.WGANGP"),
        ("lightning_modules.optimizers.WGANGPAdam", "lightning_modules.WGANGPAdam"),
        (
            "lightning_modules.rowwise.RowwiseAdagrad",
            "lightning_modules.RowwiseAdagrad",
        ),
        ("datamodules.two_domains.TwoDomains", "datamodules.TwoDomains"),
        ("callbacks.ema.WeightEMA", "callbacks.WeightEMA"),
        # a module of today
        ("lightning_modules.networks.mlp.MLPCritic", "lightning_modules.MLPCritic"),
    ],
)
def test_a_class_that_moved_is_found_by_its_name(old: str, new: str) -> None:
    assert public_path(old) == new


@pytest.mark.parametrize(
    "path",
    [
        "WGANGP",
        "torch.optim.Adam",
        "my_package.wgan_gp.WGANGP",
        "lightning_modules.core.module.TrackedModule",
        "lightning_modules.wgan_gp.WGANGQ",
        "lightning_modules",
        "",
    ],
)
def test_other_paths_stay(path: str) -> None:
    assert public_path(path) == path


def test_every_public_name_is_its_own_path() -> None:
    for package in (lightning_modules, datamodules, callbacks):
        assert package.__name__ in PACKAGES
        for name in package.__all__:
            path = f"{package.__name__}.{name}"
            assert public_path(path) == path


# Saved files --------------------------------------------------------------------------

ROOM = re.compile(rf"\b({'|'.join(PACKAGES)})\.[a-z_]+\.")
"""The beginning of a path that says where a class stands, and not only its name."""


def words(node: Any) -> Iterator[str]:
    """Every string in a part of a checkpoint, keys included."""
    if isinstance(node, Mapping):
        yield from words([*node.keys(), *node.values()])
    elif isinstance(node, list | tuple):
        for item in node:
            yield from words(item)
    elif isinstance(node, str):
        yield node


def models() -> Iterator[LightningModule]:
    """Every method, built by Python code."""
    linear: Any = lambda o: LinearDecay(o)  # noqa: E731
    for cls in METHODS:
        if topic_of(cls) == "generative":
            make: Any = cls
            yield games.make(make, critic_scheduler=linear)
    yield from (domains.module(name, scheduler=linear) for name in domains.METHODS)
    yield MetricLearner(LinearMap((3,)), scheduler=linear)
    yield Classifier(ConvClassifier((1, 8, 8)))
    for cls in METHODS:
        if topic_of(cls) == "recommendation":
            yield cls()


MODELS = list(models())


def test_every_method_is_among_the_models() -> None:
    assert {type(model) for model in MODELS} == set(METHODS)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_arguments_of_a_method_built_by_python_name_public_classes(
    model: LightningModule,
) -> None:
    arguments = list(words(dict(model.hparams)))
    assert class_path(type(model)) in arguments
    assert not [word for word in arguments if ROOM.search(word)]


@pytest.mark.parametrize(
    "written", ["WGANGP", "lightning_modules.generative.wgan_gp.WGANGP"]
)
@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_files_of_a_run_name_public_classes_however_its_config_names_them(
    written: str,
) -> None:
    config = tiny(written)
    config["trainer"]["callbacks"] += [
        {"class_path": "callbacks.runs.export_network.ExportNetwork"},
        {"class_path": "WeightEMA"},
    ]
    chosen = ["critic_scheduler=LinearDecay", "critic_optimizer=WGANGPAdam"]
    options = [f"--model.{word}" for word in chosen]
    assert main(["fit", f"--config={write(config)}", *options]) == 0
    (last,) = Path("runs").rglob("last.ckpt")
    (exported,) = Path("runs").rglob("*.safetensors")
    (run,) = Path("runs").rglob("config.yaml")
    with safe_open(str(exported), framework="pt") as file:
        texts = [run.read_text(), *words(file.metadata())]
    checkpoint = [*words(torch.load(last, weights_only=True))]
    assert "lightning_modules.WGANGP" in texts[0]
    for name in ("WGANGP", "MLPCritic", "LinearDecay"):
        assert f"lightning_modules.{name}" in checkpoint
    assert not [text for text in [*texts, *checkpoint] if ROOM.search(text)]


# Files of version 0.1 -----------------------------------------------------------------


def test_options_that_a_method_no_longer_has_are_dropped_and_classes_renamed() -> None:
    net = {"class_path": "lightning_modules.mlp.MLPCritic", "init_args": {"shape": [2]}}
    old = {"critic": net, "warmup": True, "critic_steps": 2, "clip": 0.1}
    new = upgraded(WGAN, old)
    assert new.keys() == {"critic", "clip", "warmup"}  # WGAN still has a warm-up
    assert new["critic"]["class_path"] == "lightning_modules.MLPCritic"
    assert upgraded(MMD, old).keys() == {"critic", "clip"}
    assert upgraded(WGAN, new) == new


def test_weights_and_steps_of_a_checkpoint_are_what_they_are_now() -> None:
    key = "epoch_loop.manual_optimization.optim_step_progress"
    loop: dict[str, Any] = {key: {"total": {"ready": 0, "completed": 0}}}
    checkpoint: dict[str, Any] = {
        "state_dict": {"places.last.bias": 1, "items.weight": 2},
        "loops": {"fit_loop": loop},
        "global_step": 7,
    }
    for _ in range(2):  # the second time nothing is left to do
        rename_encoder(checkpoint)
        count_steps_manually(checkpoint)
        assert checkpoint["state_dict"] == {
            "item_encoder.last.bias": 1,
            "items.weight": 2,
        }
        assert loop[key]["total"] == {"ready": 7, "completed": 7}
