"""Every experiment that ships is found by its file, built, and run for two steps."""

import re
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from lightning.pytorch import Callback, LightningModule
from lightning.pytorch.callbacks import Checkpoint

from lightning_modules.adaptation.base import AdaptationModule
from tests.support.shipped import (
    CONFIGS,
    EXPERIMENTS,
    METHODS,
    config_of,
    method_of,
    name_of,
    topic_of,
)
from wasserstein_critics.cli import app

OWED = {
    "generative": ("ring8",),
    "adaptation": ("shifted_blobs",),
    "metric_learning": ("digits",),
    "recommendation": ("planted",),
}
"""The experiment that every method of a topic ships; more are welcome."""
GRID = {
    ("gan", "wgan", "wgan_gp"): (
        *("digits", "mnist", "cifar10", "ring8", "grid25", "swiss_roll"),
    ),
    ("wdgrl", "source_only", "mmd", "coral", "dann", "deepjdot"): (
        *("digits_shift", "shifted_blobs", "amazon", "office_surf", "mnist_usps"),
    ),
}
"""The experiments that the README promises."""

OWN = {
    *("images", "image_domains", "feature_domains", "pretrained", "table"),
    "interactions",
}
"""Experiments on data of the user's own, after which their runs are named."""

# A smoke run writes where an earlier one wrote, and validates more than once an epoch.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Checkpoint directory .* exists and is not empty"
)
each_experiment = pytest.mark.parametrize("path", EXPERIMENTS, ids=name_of)


def cover() -> list[Path]:
    """Few experiments in which every method and every data set takes part."""
    chosen: list[Path] = []
    seen: set[str] = set()
    for least in (2, 1):
        for path in EXPERIMENTS:
            new = {path.parent.name, path.stem} - seen
            if len(new) >= least:
                chosen.append(path)
                seen |= new
    return chosen


# Files --------------------------------------------------------------------------------


def test_the_experiments_that_the_readme_promises_are_there() -> None:
    for methods, tasks in GRID.items():
        for method, task in product(methods, tasks):
            assert (CONFIGS / method / f"{task}.yaml").is_file(), f"{method}/{task}"


def test_experiments_are_found() -> None:
    assert len(EXPERIMENTS) > 100


@pytest.mark.parametrize("cls", METHODS, ids=lambda cls: cls.__name__)
def test_a_method_ships_the_experiments_of_its_topic(
    cls: type[LightningModule],
) -> None:
    topic = topic_of(cls)
    assert topic in OWED, f"say in OWED which experiments methods of {topic} ship"
    shipped = {path.stem for path in EXPERIMENTS if method_of(path) is cls}
    missing = set(OWED[topic]) - shipped
    assert not missing, f"{cls.__name__} lacks configs/<method>/{missing}.yaml"


def test_a_directory_holds_the_experiments_of_one_method() -> None:
    classes: dict[str, set[type]] = {}
    for path in EXPERIMENTS:
        classes.setdefault(path.parent.name, set()).add(method_of(path))
    assert all(len(found) == 1 for found in classes.values()), classes
    assert len({cls for (cls,) in classes.values()}) == len(classes)


def test_every_default_is_read_by_an_experiment() -> None:
    def read_by(path: Path) -> Iterator[Path]:
        names = yaml.safe_load(path.read_text()).get("defaults", [])
        for name in [names] if isinstance(names, str) else names:
            file = (path.parent / name).resolve()
            yield file
            yield from read_by(file)

    read = {file for path in EXPERIMENTS for file in read_by(path)}
    assert read == set((CONFIGS / "defaults").glob("*.yaml"))


@each_experiment
def test_a_run_is_named_after_method_and_data(path: Path) -> None:
    logger = config_of(path)["trainer"]["logger"]
    data = "{data}" if path.stem in OWN else path.stem
    assert logger["init_args"]["name"] == f"{path.parent.name}-{data}"


@each_experiment
def test_the_header_names_the_paper_and_the_budget(path: Path) -> None:
    header = path.read_text().split("\n\n")[0]
    assert "# Budget: " in header
    steps = config_of(path)["trainer"].get("max_steps")
    assert steps is None or f"{steps:,} " in header or f" {steps} " in header
    assert re.search(r"\b(19|20)\d\d\b|[Bb]aseline", header)


@each_experiment
def test_schedules_that_end_at_0_end_with_the_budget(path: Path) -> None:
    config = config_of(path)
    for schedule in config["model"]["init_args"].values():
        arguments = schedule.get("init_args", {}) if isinstance(schedule, dict) else {}
        if arguments.get("end_factor") == 0:
            assert arguments["total_iters"] == config["trainer"]["max_steps"]


ADAPTED = sorted(
    {p.stem for p in EXPERIMENTS if issubclass(method_of(p), AdaptationModule)}
)


@pytest.mark.parametrize("task", ADAPTED)
def test_adaptation_methods_have_the_same_networks_batches_and_budget(
    task: str,
) -> None:
    def shared(path: Path) -> dict[str, Any]:
        config = config_of(path)
        model, trainer = config["model"]["init_args"], config["trainer"]
        keys = ("extractor", "classifier", "n_classes", "weight_decay", "optimizer")
        averaged = [c for c in trainer["callbacks"] if "EMA" in str(c)]
        budget = trainer["max_steps"], trainer["val_check_interval"]
        networks = {key: model.get(key) for key in keys}
        if path == CONFIGS / "mdd/digits_shift.yaml":  # docs/decisions/0027
            sizes = {"n_features": 128, "n_classes": 10}
            own = {"class_path": "MLPClassifier", "init_args": sizes}
            assert networks["classifier"] == model["adversary"] == own
            networks["classifier"] = {**own, "class_path": "LinearClassifier"}
        return {**networks, "data": config["data"], "b": budget, "a": averaged}

    first, *others = (shared(path) for path in EXPERIMENTS if path.stem == task)
    assert all(other == first for other in others)


# Runs ---------------------------------------------------------------------------------


def drop_figures(callbacks: list[Callback]) -> list[Callback]:
    """Those that write checkpoints; the others take part in `test_the_command_line`."""
    return [callback for callback in callbacks if isinstance(callback, Checkpoint)]


@pytest.mark.long("two steps of the paper's ResNet on 32 x 32")
@each_experiment
def test_every_experiment_is_built_and_makes_two_steps(
    path: Path, words: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.CLI, "fit", lambda *_, **__: None)
    cli = app.command_line(words("fit", path))
    assert type(cli.model) is method_of(path)
    trainer: Any = cli.trainer
    trainer.callbacks = drop_figures(trainer.callbacks)
    trainer.fit(cli.model, cli.datamodule)
    assert_trained(path)


def assert_trained(path: Path, folder: str = "runs/smoke") -> None:
    """Two counted steps and a validation of what the checkpoint monitors."""
    last = torch.load(f"{folder}/checkpoints/last.ckpt", weights_only=True)
    solved = config_of(path)["trainer"].get("limit_train_batches") == 1
    assert last["global_step"] == (0 if solved else 2)
    monitored = {state.get("monitor") for state in last["callbacks"].values()}
    assert monitor_of(path) in monitored


def monitor_of(path: Path) -> str:
    callbacks = config_of(path)["trainer"]["callbacks"]
    found = (c.get("init_args", {}).get("monitor") for c in callbacks)
    return str(next(filter(None, found)))


def often(path: Path) -> list[str]:
    """Options by which callbacks work in every step that would wait for some."""
    callbacks = config_of(path)["trainer"]["callbacks"]
    waiting = [c for c in callbacks if "every_n_steps" in c.get("init_args", {})]
    names = [c["class_path"].rpartition(".")[2] for c in waiting]
    return [f"--callbacks.{name}.every_n_steps=1" for name in names]


@pytest.mark.parametrize("path", cover(), ids=name_of)
def test_the_command_line_trains_and_tests(
    path: Path, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("fit", path, *often(path)) == 0
    run = "runs/smoke/version_0"
    assert_trained(path, run)
    if issubclass(method_of(path), AdaptationModule):
        assert Path(run, "images/features/0.png").is_file()
        assert Path(run, "images/confusion/2.png").is_file()
    # what was saved as the run's config is a config, and the same one
    written = Path(run, "config.yaml").read_text()
    assert not re.search("Unable to serialize|defaults:", written)
    capsys.readouterr()
    with pytest.raises(SystemExit):
        app.main(["fit", "--config", f"{run}/config.yaml", "--print_config"])
    printed = yaml.safe_load(capsys.readouterr().out)
    assert printed == yaml.safe_load(written)
    last = f"--ckpt_path={run}/checkpoints/last.ckpt"
    assert call("test", path, last, *often(path)) == 0
    assert monitor_of(path).removeprefix("val/") in capsys.readouterr().out
