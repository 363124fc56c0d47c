"""docs/adding_a_method.md: its code works in a copy of the tree."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = (
    "lightning_modules",
    "datamodules",
    "callbacks",
    "wasserstein_critics",
    "configs",
)
EXPORTS = {
    "datamodules": ("datamodules.generative.two_moons", "TwoMoons"),
    "callbacks": ("callbacks.critics.critic_scores", "CriticScores"),
    "lightning_modules": ("lightning_modules.networks.spectral", "SpectralCritic"),
}
TOGETHER = """
import doctest
from importlib import import_module

import pytest
import torch
from lightning import Trainer

import lightning_modules as methods
from callbacks import CriticScores
from datamodules import TwoMoons
from wasserstein_critics.cli.app import main


@pytest.mark.parametrize("module", MODULES)
def test_examples_are_right(module):
    assert doctest.testmod(import_module(module)).failed == 0


def test_the_config_runs():
    smoke = ["--config", "configs/smoke.yaml", "--trainer.enable_progress_bar=false"]
    assert main(["fit", "--config", "configs/dragan/ring8.yaml", *smoke]) == 0


def test_method_data_callback_and_network_work_together(tmp_path):
    generator = methods.MLPGenerator(2, (2,), hidden=(8,))
    model = methods.DRAGAN(generator, methods.SpectralCritic((2,), hidden=(8,)))
    trainer = Trainer(
        max_steps=2,
        callbacks=[CriticScores(1)],
        default_root_dir=tmp_path,
        logger=False,
        enable_progress_bar=False,
        limit_val_batches=1,
    )
    trainer.fit(model, TwoMoons(n_train=600, batch_size=100))
    for side in ("real", "generated"):
        assert f"critic_score/{side}" in trainer.callback_metrics
    assert trainer.global_step == 2
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    again = methods.DRAGAN.load_from_checkpoint(tmp_path / "model.ckpt")
    x = torch.randn(5, 2)
    assert torch.equal(again.eval().critic(x), model.eval().critic(x))
    methods.save_network(model.critic, tmp_path / "critic.safetensors")
    critic = methods.load_network(tmp_path / "critic.safetensors")
    assert torch.equal(critic(x), model.critic(x))
"""


def blocks(repository: Path, language: str) -> list[str]:
    page = (repository / "docs/adding_a_method.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def python_files(repository: Path) -> dict[str, str]:
    """Text by path, which stands in the first line."""
    parts = (block.split("\n", 1) for block in blocks(repository, "python"))
    return {path.removeprefix("# "): text for path, text in parts}


@pytest.fixture
def tree(repository: Path, tmp_path: Path) -> Path:
    """The packages and configs with what the page adds."""
    for name in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(repository / name, tmp_path / name, ignore=ignored)
    files = python_files(repository)
    exports = files.pop("lightning_modules/__init__.py")
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    for package, (module, name) in EXPORTS.items():
        more = exports.replace("=", "+=") if package == "lightning_modules" else ""
        with (tmp_path / package / "__init__.py").open("a") as file:
            file.write(f'from {module} import {name}\n__all__ += ["{name}"]\n{more}')
    (config,) = blocks(repository, "yaml")
    (tmp_path / "configs/dragan").mkdir(exist_ok=True)
    (tmp_path / "configs/dragan/ring8.yaml").write_text(config)
    modules = [path[:-3].replace("/", ".") for path in files if "test" not in path]
    text = TOGETHER.replace("MODULES", repr(modules))
    (tmp_path / "test_together.py").write_text(text)
    return tmp_path


@pytest.mark.long("a copy of the tree with its tests in a process of its own")
def test_the_code_of_the_page_works_as_it_stands(repository: Path, tree: Path) -> None:
    tests = [path for path in python_files(repository) if path.startswith("tests")]
    options = ["-q", "-p", "no:cacheprovider", "-W", "ignore", "--rootdir=."]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *tests, "test_together.py"],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_method_is_at_most_60_lines(repository: Path) -> None:
    text = python_files(repository)["lightning_modules/generative/dragan.py"]
    assert len([line for line in text.splitlines() if line]) <= 60
