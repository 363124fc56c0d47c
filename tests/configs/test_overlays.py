"""Overlays and sweeps that ship, through the command line as it is."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.shipped import CONFIGS, config_of, method_of
from wasserstein_critics.cli.app import main

SWEEPS = sorted((CONFIGS / "sweeps").glob("*.yaml"))


def resolved(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """The configuration that a command line ends in."""
    with pytest.raises(SystemExit) as stop:
        main([arguments[0], "--print_config", *arguments[1:]])
    assert stop.value.code in (0, None)
    return dict(yaml.safe_load(capsys.readouterr().out))


def configs(*names: str) -> list[str]:
    return ["fit", *(f"--config={CONFIGS / name}" for name in names)]


@pytest.mark.parametrize(
    ("overlay", "changed"),
    [
        ("ddp.yaml", {"strategy": "ddp", "devices": 2}),
        ("gpu.yaml", {"accelerator": "gpu", "benchmark": True, "precision": "32-true"}),
        ("smoke.yaml", {"max_steps": 2, "logger": False, "limit_val_batches": 1}),
    ],
)
def test_overlays_change_what_they_say_and_nothing_else_of_the_experiment(
    overlay: str, changed: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    before = resolved(capsys, *configs("wgan_gp/digits.yaml"))
    after = resolved(capsys, *configs("wgan_gp/digits.yaml", overlay))
    for key, value in changed.items():
        assert after["trainer"][key] == value
    for part in ("model", "data", "seed_everything"):
        assert after[part] == before[part]
    assert after["trainer"]["callbacks"] == before["trainer"]["callbacks"]


def test_tracking_is_added_and_the_callbacks_of_the_experiment_stay(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = resolved(capsys, *configs("wgan/digits.yaml"))["trainer"]
    after = resolved(capsys, *configs("wgan/digits.yaml", "wandb.yaml"))["trainer"]
    names = [entry["class_path"] for entry in after["callbacks"]]
    assert names[:-1] == [entry["class_path"] for entry in before["callbacks"]]
    assert names[-1].endswith("WandbRun")
    assert after["logger"]["class_path"].endswith("WandbLogger")
    assert after["logger"]["init_args"]["project"] == "wasserstein-critics"
    assert after["logger"]["init_args"]["log_model"] is True


def test_every_overlay_is_tested() -> None:
    names = {path.stem for path in CONFIGS.glob("*.yaml")}
    assert names == {"ddp", "gpu", "smoke", "wandb"}


# Sweeps -------------------------------------------------------------------------------


def experiment_of(sweep: dict[str, Any]) -> Path:
    """The experiment that a sweep varies."""
    words = sweep["command"]
    return CONFIGS / f"{words[words.index('--config') + 1]}.yaml"


def smallest(parameter: dict[str, Any]) -> Any:
    return parameter["values"][-1] if "values" in parameter else parameter["min"]


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_every_parameter_of_a_sweep_reaches_the_run(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = yaml.safe_load(path.read_text())
    assert sweep["command"][:5] == ["${env}", "python", "-m", "${program}", "fit"]
    assert sweep["command"][-1] == "${args}"
    assert find_spec(f"{sweep['program']}.__main__")  # from any folder
    chosen = {key: smallest(value) for key, value in sweep["parameters"].items()}
    arguments = sweep["command"][4:-1]
    # An agent writes --key=value, Python values as Python prints them.
    arguments += [f"--{key}={value}" for key, value in chosen.items()]
    config = resolved(capsys, *arguments)
    for key, value in chosen.items():
        assert reached(config, key) == value, key


def reached(config: dict[str, Any], key: str) -> Any:
    value: Any = config
    for part in key.split("."):
        inside = value.get("init_args", {}) if isinstance(value, dict) else {}
        value = inside[part] if part in inside else value[part]
    return value


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_a_sweep_optimises_what_the_experiment_monitors(path: Path) -> None:
    sweep = yaml.safe_load(path.read_text())
    callbacks = config_of(experiment_of(sweep))["trainer"]["callbacks"]
    monitored: Iterator[dict[str, Any]] = (
        callback["init_args"]
        for callback in callbacks
        if callback["class_path"].endswith("Checkpoint")
    )
    checkpoint = next(monitored)
    name = f"{checkpoint['monitor']}.{checkpoint['mode']}"
    assert sweep["metric"] == {"name": name, "goal": f"{checkpoint['mode']}imize"}


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_a_sweep_is_named_after_the_experiment(path: Path) -> None:
    sweep = yaml.safe_load(path.read_text())
    experiment = experiment_of(sweep)
    assert sweep["name"] == f"{experiment.parent.name}-{experiment.stem}"
    assert path.stem == experiment.parent.name
    assert method_of(experiment)
