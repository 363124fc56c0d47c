import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from tests.support.trainers import same
from wasserstein_critics.cli.config_files import read_config

STEPS, EVERY = 120, 10
KILLER = """
import os
import signal

from lightning.pytorch import Callback


class Killer(Callback):
    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == int(os.environ.get("KILL_AT", -1)):
            os.killpg(0, signal.SIGKILL)  # this process and its fellow ranks
"""


def command(config: Path, directory: Path, *arguments: str) -> list[str]:
    """Train an experiment, with a checkpoint every 10 player updates."""
    job = read_config(config)
    job["trainer"] |= {
        "max_steps": STEPS,
        "val_check_interval": 50,
        "log_every_n_steps": 1,
        "enable_progress_bar": False,
        "logger": {
            "class_path": "CSVLogger",
            "init_args": {"save_dir": str(directory), "name": "killed"},
        },
        "callbacks": [
            {"class_path": "killer.Killer"},
            {"class_path": "callbacks.WeightEMA"},
            {
                "class_path": "callbacks.Checkpoint",
                "init_args": {"every_n_train_steps": EVERY, "save_last": True},
            },
        ],
    }
    directory.mkdir()
    (directory / "killer.py").write_text(KILLER)
    path = directory / "job.yaml"
    path.write_text(yaml.safe_dump(job))
    program = str(config.parents[2] / "train.py")
    return [sys.executable, program, "fit", "--config", str(path), *arguments]


def run(words: list[str], directory: Path, kill_at: int = -1) -> int:
    paths = os.pathsep.join([str(directory), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "KILL_AT": str(kill_at), "PYTHONPATH": paths}
    return subprocess.run(
        words, env=environment, start_new_session=True, check=False
    ).returncode


def final_state(folder: Path) -> dict[str, Any]:
    path = folder / "checkpoints/last.ckpt"
    state: dict[str, Any] = torch.load(path, weights_only=True)
    assert state["global_step"] == STEPS
    state["callbacks"] = state["callbacks"]["WeightEMA"]
    return {key: value for key, value in state.items() if key != "loops"}


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize("experiment", ["wgan_gp/digits", "wdgrl/digits_shift"])
def test_a_killed_and_resumed_run_equals_the_uninterrupted_one(
    tmp_path: Path, repository: Path, experiment: str, workers: int, devices: int
) -> None:
    config = repository / "configs" / f"{experiment}.yaml"
    settings = (f"--data.num_workers={workers}", f"--trainer.devices={devices}")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert run(command(config, whole, *settings), whole) == 0
    words, run_folder = command(config, killed, *settings), "killed/version_0"
    last = killed / run_folder / "checkpoints/last.ckpt"
    step = random.randint(EVERY + 1, STEPS - 1)
    assert run(words, killed, step) == -signal.SIGKILL, f"player update {step}"
    saved = (step - 1) // EVERY * EVERY  # the killer comes before Checkpoint
    assert torch.load(last, weights_only=True)["global_step"] == saved
    assert run([*words, f"--ckpt_path={last}"], killed) == 0
    first, second = final_state(whole / run_folder), final_state(killed / run_folder)
    different = [key for key in first if not same(first[key], second[key])]
    assert different == [], f"killed at player update {step}"
    assert not (killed / "killed" / "version_1").exists()
    metrics = [home / run_folder / "metrics.csv" for home in (whole, killed)]
    assert metrics[0].read_bytes() == metrics[1].read_bytes()
