"""A class that takes the place of another starts without the other's settings."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from datamodules import CIFAR10, DomainFeatures, ImageFolder, OfficeCaltech
from lightning_modules import GAN, WGANGP, ConvCritic, MLPCritic
from tests.support.command_line import QUIET, Run, tiny, traces, write
from wasserstein_critics.cli import app
from wasserstein_critics.cli.class_changes import is_kept

pytestmark = QUIET
SHAPE = [3, 64, 64]
RATES = "torch.optim.lr_scheduler"
GIVEN: dict[str, Any] = {
    "critic": {"class_path": "ConvCritic", "init_args": {"shape": SHAPE, "width": 7}},
    "critic_optimizer": {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.5}},
    "critic_scheduler": {
        "class_path": f"{RATES}.LinearLR",
        "init_args": {"total_iters": 7},
    },
}
CHANGES = [
    ("data", "ImageFolder", {"root": "x"}, {"image_size"}, {"batch_size": 4}),
    ("model", "GAN", {}, {"n_critic", "critic_optimizer"}, {}),
    ("model.critic", "ResNetCritic", {}, {"width"}, {"shape": SHAPE}),
    ("model.critic_optimizer", "torch.optim.SGD", {}, {"lr"}, {}),
    ("model.critic_scheduler", f"{RATES}.ConstantLR", {}, {"total_iters"}, {}),
]


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    capsys.readouterr()
    with pytest.raises(SystemExit):
        app.main(["fit", *words, "--print_config"])
    return yaml.safe_load(capsys.readouterr().out)


def at(config: Any, key: str) -> Any:
    for name in key.split("."):
        config = config.get("init_args", config)[name]
    return config["init_args"]


@pytest.mark.parametrize(("key", "cls", "more", "dropped", "kept"), CHANGES)
@pytest.mark.parametrize("where", ["options", "file"])
def test_settings_of_the_class_before_are_dropped_and_shared_ones_kept(
    key: str,
    cls: str,
    more: dict[str, Any],
    dropped: set[str],
    kept: dict[str, Any],
    where: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = tiny()
    config["model"]["init_args"] |= GIVEN
    config["data"] = {
        "class_path": "CIFAR10",
        "init_args": {"root": "data", "image_size": 28, "batch_size": 4},
    }
    write(config)
    words = ["--config", "tiny.yaml"]
    if where == "options":
        words += [f"--{key}={cls}", *(f"--{key}.{k}={v}" for k, v in more.items())]
    else:
        content: Any = {"class_path": cls, "init_args": more}
        for name in reversed(key.split(".")):
            content = {name: content}
        if "." in key:
            content = {"model": {"class_path": "WGANGP", "init_args": content["model"]}}
        words += ["--config", str(write(content, Path("later.yaml")))]
    before = at(printed(capsys, "--config", "tiny.yaml"), key)
    after = at(printed(capsys, *words), key)
    for name in dropped & set(after):
        assert after[name] != before[name]
    assert after | more | kept == after


@pytest.mark.parametrize(
    ("name", "old", "new", "kept"),
    [
        ("batch_size", OfficeCaltech, DomainFeatures, True),  # both inherit it
        ("root", CIFAR10, ImageFolder, False),  # both have it, of their own
        ("source", OfficeCaltech, DomainFeatures, False),
        ("generator", WGANGP, GAN, True),
        ("n_critic", WGANGP, GAN, False),
        ("shape", ConvCritic, MLPCritic, True),
        ("lr", OfficeCaltech, DomainFeatures, False),
    ],
)
def test_a_setting_is_kept_where_it_means_the_same(
    name: str, old: type, new: type, kept: bool
) -> None:
    assert is_kept(name, old, new) == kept


def test_a_folder_that_was_not_named_is_not_that_of_the_class_before(run: Run) -> None:
    """README: ``--data ImageFolder`` alone trained on whatever lay below ./data."""
    Path("data").mkdir()
    config = tiny()
    config["data"] = {"class_path": "CIFAR10", "init_args": {"root": "data"}}
    write(config)
    code, sentence = run("fit", "--config", "tiny.yaml", "--data", "ImageFolder")
    assert (code, sentence) == (2, "error: data lacks root: set data.root.")
    assert traces() == ["data"]


def test_what_is_dropped_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    write(tiny())
    words = ("--data", "Digits", "--data.n_held_out", "1780")
    assert app.main(["fit", "--config", "tiny.yaml", *words]) == 2  # of another shape
    notes = [n for n in capsys.readouterr().err.splitlines() if n.startswith("note")]
    assert notes == [
        "note: Digits takes the place of PointClouds, so what was set for it is "
        "dropped: batch_size, n_predict, n_test, n_train, n_val, name."
    ]


def notes_of(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """What a fit of two steps says of settings that others undid."""
    capsys.readouterr()
    assert app.main(["fit", *words]) == 0
    begins = ("note: --", "note: a later list")
    return [n for n in capsys.readouterr().err.splitlines() if n.startswith(begins)]


LISTED = {"trainer": {"callbacks": [{"class_path": "callbacks.WeightEMA"}]}}


@pytest.mark.parametrize(
    ("key", "option", "value", "said"),
    [
        ("trainer.max_steps", "1", 2, True),
        ("trainer.max_steps", "2", 2, False),
        ("trainer.limit_val_batches", "5e-1", 0.5, False),
        ("data", "PointClouds", "datamodules.PointClouds", False),
        ("data.batch_size", "8", 4, True),
        ("model.critic.hidden", "[8]", [9], True),
    ],
)
def test_an_option_that_a_later_config_undoes_is_named(
    key: str, option: str, value: Any, said: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    section, *names = key.split(".")
    content: Any = value
    for name in reversed(names):
        nested = {name: content}
        content = nested if section == "trainer" else {"init_args": nested}
    if not names:
        content = {"class_path": value}
    write(tiny())
    write({section: content}, Path("later.yaml"))
    words = ["--config", "tiny.yaml", f"--{key}", option, "--config=later.yaml"]
    sentence = (
        f"note: --{key} {option} stands before --config later.yaml, which sets "
        f"{value}: the later one wins, so let the option come last."
    )
    assert notes_of(capsys, *words) == [sentence] * said


def test_an_option_that_comes_last_undoes_a_config_without_a_word(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(tiny())
    assert notes_of(capsys, "--config", "tiny.yaml", "--trainer.max_steps", "1") == []


@pytest.mark.parametrize(
    ("words", "lost"),
    [
        (["--config", "more.yaml"], True),
        (["--trainer.callbacks", "callbacks.WeightEMA"], True),
        (["--trainer.callbacks", "[callbacks.WeightEMA]"], True),
        (["--trainer.callbacks+=callbacks.WeightEMA"], False),
        (["--config", "tiny.yaml"], False),
        (["--callbacks.Checkpoint=false"], False),  # that is what was asked for
    ],
)
def test_callbacks_that_a_later_list_drops_are_named(
    words: list[str], lost: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tiny())
    write(LISTED, Path("more.yaml"))
    sentence = (
        "note: a later list of trainer.callbacks replaces the one before, so "
        "Checkpoint won't run: write callbacks+ to add to a list."
    )
    assert notes_of(capsys, "--config", "tiny.yaml", *words) == [sentence] * lost
