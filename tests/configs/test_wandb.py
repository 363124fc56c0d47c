"""The overlay and the sweeps that ship, through the command line as it is."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from lightning_modules import GAN, WDGRL, WGAN, WGANGP
from lightning_modules.core.module import TrackedModule
from wasserstein_critics.cli.app import main

SWEEPS: dict[str, type[TrackedModule]] = {
    "gan": GAN,
    "wgan": WGAN,
    "wgan_gp": WGANGP,
    "wdgrl": WDGRL,
}


def resolved(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> dict[str, Any]:
    """The configuration that a command line of `train.py` ends in."""
    with pytest.raises(SystemExit) as stop:
        main([arguments[0], "--print_config", *arguments[1:]])
    assert stop.value.code in (0, None)
    return dict(yaml.safe_load(capsys.readouterr().out))


def test_the_overlay_adds_tracking_and_keeps_the_callbacks_of_the_experiment(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = ["fit", "--config", str(repository / "configs/wgan/digits.yaml")]
    before = resolved(capsys, experiment)["trainer"]
    overlay = ["--config", str(repository / "configs/wandb.yaml")]
    after = resolved(capsys, [*experiment, *overlay])["trainer"]
    names = [entry["class_path"] for entry in after["callbacks"]]
    assert names[:-1] == [entry["class_path"] for entry in before["callbacks"]]
    assert names[-1].endswith("WandbRun")
    assert after["logger"]["class_path"].endswith("WandbLogger")
    assert after["logger"]["init_args"]["project"] == "wasserstein-critics"
    assert after["logger"]["init_args"]["log_model"] is True


def least(parameter: dict[str, Any]) -> Any:
    return parameter["values"][-1] if "values" in parameter else parameter["min"]


@pytest.mark.parametrize("name", SWEEPS)
def test_every_parameter_of_a_sweep_reaches_the_run(
    name: str, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = yaml.safe_load((repository / f"configs/sweeps/{name}.yaml").read_text())
    assert sweep["command"][:4] == ["${env}", "python", "${program}", "fit"]
    assert sweep["command"][-1] == "${args}"
    assert (repository / sweep["program"]).is_file()
    chosen = {key: least(parameter) for key, parameter in sweep["parameters"].items()}
    arguments = [
        str(repository / word) if word.endswith(".yaml") else word
        for word in sweep["command"][3:-1]
    ]
    # An agent writes --key=value, Python values as Python prints them.
    arguments += [f"--{key}={value}" for key, value in chosen.items()]
    config = resolved(capsys, arguments)
    for key, value in chosen.items():
        assert reached(config, key) == value, key


def reached(config: dict[str, Any], key: str) -> Any:
    found: Any = config
    for part in key.split("."):
        inside = found.get("init_args", {}) if isinstance(found, dict) else {}
        found = inside[part] if part in inside else found[part]
    return found


@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep_optimises_the_monitor_of_the_method(
    name: str, repository: Path
) -> None:
    sweep = yaml.safe_load((repository / f"configs/sweeps/{name}.yaml").read_text())
    method = SWEEPS[name]
    name = f"{method.monitor}.{method.mode}"
    assert sweep["metric"] == {"name": name, "goal": f"{method.mode}imize"}
