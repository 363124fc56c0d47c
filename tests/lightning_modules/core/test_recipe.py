"""Networks are written with their recipes, and built from them again."""

import json
import os
import random
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightning.pytorch import LightningDataModule, Trainer
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.utils.data import DataLoader

from lightning_modules import (
    CML,
    WGANGP,
    ConvCritic,
    ConvGenerator,
    MLPCritic,
    MLPGenerator,
    ResNetCritic,
    ResNetGenerator,
)
from lightning_modules.core import pretrained, recipe
from lightning_modules.core.files import write_whole
from lightning_modules.core.pretrained import ExportedNetworks, write_model
from lightning_modules.core.recipe import (
    CHECKSUM,
    build,
    check_savable,
    checksum,
    load_network,
    recipe_of,
    remembers,
    save_network,
)
from tests.support import methods, ranking_data
from tests.support.shipped import METHODS
from tests.support.trainers import same

ALL = [
    MLPGenerator(3, (1, 8, 8), hidden=(8,), output="tanh"),
    MLPCritic((1, 8, 8), hidden=(8, 4), norm="layer"),
    ConvGenerator(3, (3, 28, 28), width=4, norm="batch"),
    ConvCritic((3, 28, 28), width=4, norm="layer"),
    ResNetGenerator(3, (3, 32, 32), width=4),
    ResNetCritic((3, 32, 32), width=4, norm="layer"),
]


@pytest.mark.parametrize("network", ALL, ids=lambda n: type(n).__name__)
def test_a_network_survives_export_with_its_weights(
    network: nn.Module, tmp_path: Path
) -> None:
    path = save_network(network, tmp_path / "deep" / "net.safetensors")
    again = load_network(path)
    assert type(again) is type(network)
    assert not again.training
    assert recipe_of(again) == recipe_of(network)
    for key, value in network.state_dict().items():
        assert torch.equal(value, again.state_dict()[key])
    assert [p.name for p in path.parent.iterdir()] == ["net.safetensors"]


def test_a_recipe_is_json_and_builds_fresh_weights() -> None:
    one = recipe_of(ALL[0])
    assert one is not None
    assert json.loads(json.dumps(one)) == one
    assert one["init_args"]["hidden"] == [8]
    assert isinstance(build(one), MLPGenerator)


def test_loading_leaves_the_global_generator_alone(tmp_path: Path) -> None:
    path = save_network(ALL[1], tmp_path / "net.safetensors")
    state = torch.get_rng_state()
    load_network(path)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    "path",
    [
        "subprocess.Popen",
        "lightning_modules.core.recipe.import_module",
        "lightning_modules.networks.mlp.pairwise",
        "lightning_modules.networks.mlp.missing",
        "lightning_modules.generative.wgan.WGAN",
    ],
)
def test_only_our_own_networks_are_built_from_a_file(path: str) -> None:
    with pytest.raises(ValueError, match="not a network of"):
        build({"class_path": path, "init_args": {}})


def test_a_subclass_does_not_keep_its_parents_recipe() -> None:
    class Mine(MLPCritic):
        pass

    assert recipe_of(Mine((2,))) is None
    assert recipe_of(remembers(Mine)((2,))) is not None


def test_a_network_without_recipe_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="remembers"):
        save_network(nn.Linear(1, 1), tmp_path / "x.safetensors")
    assert not list(tmp_path.iterdir())


def test_bad_network_files_get_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no network file at"):
        load_network(tmp_path / "none.safetensors")
    whole = save_network(ALL[0], tmp_path / "net.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="valid safetensors file"):
        load_network(tmp_path / "cut.safetensors")
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, tmp_path / "bare.safetensors")
    with pytest.raises(ValueError, match="weights without a recipe"):
        load_network(tmp_path / "bare.safetensors")


@settings(max_examples=100)
@given(st.floats(0, 1, exclude_max=True), st.integers(0, 7))
def test_a_network_file_with_a_flipped_bit_is_refused_or_equal(
    position: float, bit: int
) -> None:
    content = bytearray(save_network(ALL[1], "whole.safetensors").read_bytes())
    content[int(position * len(content))] ^= 1 << bit
    Path("flipped.safetensors").write_bytes(content)
    try:
        again = load_network("flipped.safetensors")
    except ValueError as error:
        assert "flipped.safetensors" in str(error)  # noqa: PT017
    else:
        assert same(again.state_dict(), ALL[1].state_dict())
        assert recipe_of(again) == recipe_of(ALL[1])


# Networks that hold networks ----------------------------------------------------------


@remembers
class Scaled(nn.Module):
    """A critic behind a scale."""

    def __init__(self, inner: nn.Module, scale: float = 2.0) -> None:
        super().__init__()
        self.inner, self.scale = inner, scale

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) * self.scale  # type: ignore[no-any-return]


@remembers
class Ensemble(nn.Module):
    """The mean of several critics."""

    def __init__(self, members: list[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([member(x) for member in self.members]).mean(0)


def critic(width: int = 4) -> MLPCritic:
    return MLPCritic((2,), hidden=(width,))


holders = pytest.mark.parametrize(
    "network",
    [
        Scaled(critic(), 3.0),
        Ensemble([critic(), critic(5)]),
        Ensemble([Scaled(Ensemble([critic()])), critic()]),
    ],
    ids=["a network", "a list of networks", "both, deeper"],
)


@holders
def test_a_network_that_holds_networks_is_written_and_read(
    network: nn.Module, tmp_path: Path
) -> None:
    x, again = torch.randn(3, 2), load_network(save_network(network, tmp_path / "x"))
    assert torch.equal(again(x), network(x))
    assert recipe_of(again) == recipe_of(network)


@holders
def test_a_checkpoint_builds_a_network_that_holds_networks(
    network: nn.Module, tmp_path: Path
) -> None:
    module = WGANGP(MLPGenerator(3, (2,)), network)
    trainer = Trainer(
        max_steps=0, logger=False, enable_checkpointing=False, accelerator="cpu"
    )
    trainer.fit(module, DataLoader(torch.randn(4, 2)), DataLoader(torch.randn(4, 2)))  # type: ignore[arg-type]
    trainer.save_checkpoint(tmp_path / "one.ckpt")
    again, x = WGANGP.load_from_checkpoint(tmp_path / "one.ckpt"), torch.randn(3, 2)
    assert type(again.critic) is type(network)
    assert torch.equal(again.critic(x), network(x))


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        (nn.Linear(1, 1), "Linear keeps no recipe: decorate the class with"),
        (Scaled(nn.Linear(2, 1)), "Linear keeps no recipe: decorate the class with"),
        (Ensemble([critic(), nn.Tanh()]), "Tanh keeps no recipe: decorate the class"),
        (Scaled(critic(), torch.ones(1)), "scale of Scaled is a Tensor, which can't"),  # type: ignore[arg-type]
    ],
)
def test_what_no_file_can_hold_is_named_by_class_and_argument(
    network: nn.Module, sentence: str, tmp_path: Path
) -> None:
    assert recipe_of(network) is None
    for call in (check_savable, partial(save_network, path=tmp_path / "x")):
        with pytest.raises(ValueError, match=f"^{sentence}"):
            call(network)
    assert not list(tmp_path.iterdir())


OWN = """
from torch import nn
from lightning_modules import remembers

@remembers
class Own(nn.Linear):
    def __init__(self, n: int) -> None:
        super().__init__(n, 1)
"""


def test_a_class_of_ones_own_is_read_once_it_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a file that names it, or anything else, imports nothing."""
    Path("own_networks.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(recipe, "_remembering", known := [*recipe._remembering])
    network = import_module("own_networks").Own(2)
    path = save_network(network, tmp_path / "own.safetensors")
    known.remove(type(network))  # as in another process
    monkeypatch.delitem(sys.modules, "own_networks")
    with pytest.raises(ValueError, match=r"^class_path 'own_networks\.Own' is not a"):
        load_network(path)
    assert "own_networks" not in sys.modules
    import_module("own_networks")
    weights = load_network(path).state_dict()
    assert torch.equal(weights["weight"], network.weight)


def test_weights_that_are_not_finite_are_not_written(tmp_path: Path) -> None:
    network = MLPCritic((2,), hidden=(3,))
    for value in (torch.nan, torch.inf):
        torch.nn.init.constant_(next(network.parameters()), value)
        with pytest.raises(ValueError, match="holds NaN or infinity: write a network"):
            save_network(network, tmp_path / "x.safetensors")
    assert not [*tmp_path.iterdir()]


def with_recipe(said: Any, tensors: dict[str, Tensor]) -> bytes:
    """A safetensors file whose recipe may say anything, with the checksum of it."""
    if isinstance(said, dict):
        said = {**said, CHECKSUM: checksum(said, tensors)}
    return save(tensors, metadata={"recipe": json.dumps(said)})


def odd_networks() -> dict[str, bytes]:
    """Files that are no network's, each in its own way."""
    network = MLPCritic((2,), hidden=(3,))
    good, tensors = check_savable(network), dict(network.state_dict())
    name, first = next(iter(tensors.items()))
    cls, whole = {"class_path": good["class_path"]}, with_recipe(good, tensors)
    arguments: dict[str, Any] = {
        "no arguments": {},
        "a list of arguments": {"init_args": [1]},
        "an unknown argument": {"init_args": {"zzz": 1}},
        "a wrong argument": {"init_args": {"shape": "x"}},
        "no memory": {"init_args": {"shape": [2], "hidden": [10**7, 10**7]}},
    }
    other: dict[str, dict[str, Tensor]] = {
        "a tensor less": {k: v for k, v in tensors.items() if k != name},
        "a tensor more": {**tensors, "more": first.clone()},
        "another shape": {**tensors, name: torch.zeros(7, 7)},
        "whole numbers": {**tensors, name: first.to(torch.int64)},
        "not a number": {**tensors, name: first * torch.nan},
    }
    return {
        "nothing": b"",
        "words": b"a few words",
        "cut off": whole[:-10],
        "its head alone": whole[:20],
        "a longer head": (1 << 60).to_bytes(8, "little") + whole[8:],
        "a head that is no JSON": whole[:8] + b"x" + whole[9:],
        "a flipped bit": whole[:-1] + bytes([whole[-1] ^ 1]),
        "a list": with_recipe([1], tensors),
        "a word": with_recipe("x", tensors),
        "no end": save(tensors, metadata={"recipe": "[" * 5_000 + "]" * 5_000}),
        "no class": with_recipe({"init_args": {}}, tensors),
        "a function": with_recipe({"class_path": "os.abort", "init_args": {}}, tensors),
        **{k: with_recipe(cls | v, tensors) for k, v in arguments.items()},
        **{k: with_recipe(good, v) for k, v in other.items()},
    }


@pytest.mark.parametrize("kind", odd_networks())
def test_a_file_that_is_no_network_is_named(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.safetensors"
    path.write_bytes(odd_networks()[kind])
    with pytest.raises(ValueError, match=r"odd\.safetensors"):
        load_network(path)


def test_only_a_file_is_read_as_a_network(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", ".", "none"):
        with pytest.raises(FileNotFoundError, match="There is no network file at"):
            load_network(tmp_path / name)


# Exported folders ---------------------------------------------------------------------


def exported(cls: Any, folder: Path) -> tuple[Any, dict[str, Any]]:
    """A method after a few steps, in a folder; the method, and what the config says."""
    return exported_of(*methods.build(cls), folder)


def exported_of(
    module: Any, data: LightningDataModule, folder: Path
) -> tuple[Any, dict[str, Any]]:
    trainer = ranking_data.trainer(
        max_epochs=1, limit_train_batches=5, limit_val_batches=0
    )
    trainer.fit(module, data)
    path = folder / "x.ckpt"
    trainer.save_checkpoint(path)
    checkpoint = torch.load(path, weights_only=True)
    path.unlink()
    return module, write_model(folder, checkpoint, module)


@pytest.mark.parametrize("cls", METHODS, ids=lambda cls: cls.__name__)
def test_a_method_is_in_its_folder_with_all_its_weights(
    cls: Any, tmp_path: Path
) -> None:
    module, config = exported(cls, tmp_path)
    again = cls.from_pretrained(tmp_path)
    assert type(again) is cls
    assert not again.training
    assert same(dict(again.state_dict()), dict(module.state_dict()))
    arguments = json.loads(json.dumps(dict(again.hparams)))
    assert arguments | config["init_args"] == arguments
    held = ExportedNetworks(config["networks"], config["shapes"])
    held.load_state_dict(load_file(tmp_path / "model.safetensors"))
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        *("config.json", "model.safetensors")
    ]


def test_items_that_are_placed_by_features_keep_their_places(tmp_path: Path) -> None:
    model = CML(dim=3, feature_weight=1.0, feature_hidden=(8,))
    exported_of(model, ranking_data.featured(), tmp_path)
    again = CML.from_pretrained(tmp_path)
    assert torch.equal(again.item_points, model.item_points)


def test_the_mixin_of_the_hub_loads_a_folder(tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    module, _ = exported(WGANGP, tmp_path)
    mixed: Any = type("Networks", (ExportedNetworks, hub.PyTorchModelHubMixin), {})
    networks = mixed.from_pretrained(tmp_path)
    assert same(dict(networks.state_dict()), dict(module.state_dict()))


def test_a_model_of_the_hub_is_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = pytest.importorskip("huggingface_hub")
    module, _ = exported(WGANGP, tmp_path)
    monkeypatch.setattr(hub, "snapshot_download", lambda *_, **__: str(tmp_path))
    again = WGANGP.from_pretrained("somebody/digits")
    assert same(dict(again.state_dict()), dict(module.state_dict()))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_folder_with_another_byte_is_refused(name: str, tmp_path: Path) -> None:
    exported(WGANGP, tmp_path)
    whole = (tmp_path / name).read_bytes()
    for place in random.Random(0).sample(range(len(whole)), 20):
        changed = bytearray(whole)
        changed[place] ^= 1 + place % 255
        (tmp_path / name).write_bytes(changed)
        with pytest.raises(ValueError, match=str(tmp_path)):
            WGANGP.from_pretrained(tmp_path)
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=str(tmp_path)):
        WGANGP.from_pretrained(tmp_path)


def rewritten(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the config as somebody would who knows the checksum."""
    file = folder / "config.json"
    config = json.loads(file.read_text())
    change(config)
    file.write_text(json.dumps(config))
    tensors = load_file(folder / "model.safetensors")
    mark = {CHECKSUM: pretrained._checksum(config, tensors)}
    (folder / "model.safetensors").write_bytes(save(tensors, metadata=mark))


@pytest.mark.parametrize("path", methods.HOSTILE)
def test_a_folder_of_a_stranger_runs_nothing(path: str, tmp_path: Path) -> None:
    exported(WGANGP, tmp_path)
    whole = (tmp_path / "config.json").read_text()
    tree = methods.hostile_tree(path, {"code": "echo x > ran"}, "spec")
    rewritten(tmp_path, lambda config: config["init_args"].update(generator=tree))
    with pytest.raises(ValueError, match=str(tmp_path)):
        WGANGP.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(whole)
    rewritten(tmp_path, lambda config: config.update(class_path=path))
    with pytest.raises(ValueError, match=str(tmp_path)):
        WGANGP.from_pretrained(tmp_path)
    assert not methods.CALLED
    assert not Path("ran").exists()
    assert "evilmod" not in sys.modules


@pytest.mark.parametrize(
    "change",
    [
        {"init_args": {}},
        {"init_args": {"generator": 3}},
        {"init_args": []},
        {"state": {"sizes": [1, 2]}},
        {"state": {"sizes": [-1, 2, 3]}},
        {"state": {"global_step": "x"}},
        {"class_path": "lightning_modules.GAN"},
        {"class_path": "mypackage.GAN"},
        {"class_path": 3},
        {"networks": None},
    ],
    ids=str,
)
def test_a_folder_that_says_something_else_is_refused(
    change: dict[str, Any], tmp_path: Path
) -> None:
    exported(WGANGP, tmp_path)
    rewritten(tmp_path, lambda config: config.update(change))
    with pytest.raises(ValueError, match=str(tmp_path)) as refused:
        WGANGP.from_pretrained(tmp_path)
    assert len(str(refused.value)) < 400 + len(str(tmp_path))


def test_weights_that_are_no_finite_numbers_are_refused(tmp_path: Path) -> None:
    module, _ = exported(WGANGP, tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    for bad in (torch.tensor(torch.nan), torch.tensor(3)):
        name = next(iter(tensors))
        new = tensors | {name: bad.expand(tensors[name].shape).contiguous()}
        config = json.loads((tmp_path / "config.json").read_text())
        mark = {CHECKSUM: pretrained._checksum(config, new)}
        (tmp_path / "model.safetensors").write_bytes(save(new, metadata=mark))
        with pytest.raises(ValueError, match=r"no finite numbers|kind mismatch"):
            WGANGP.from_pretrained(tmp_path)
    module.generator.get_submodule("layers")[0].weight.data.fill_(torch.inf)


def test_a_name_that_is_not_there_is_told_with_the_nearest(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pretrained, "SHIPPED", tmp_path)
    for name in ("digits", "mnist"):
        write_whole(tmp_path / name / "config.json", "{}")
    with pytest.raises(FileNotFoundError, match=r"mean 'digits'.*digits, mnist"):
        WGANGP.from_pretrained("digit")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(FileNotFoundError, match=r"wasserstein-critics\[hub"):
        WGANGP.from_pretrained("somebody/digits")
