"""The command line on a tiny experiment, and what a mistake must end in."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

Run = Callable[..., tuple[int, str]]
"""Runs the command line; returns its exit code and the sentences on stderr."""
Mistake = tuple[str, str, list[str]]
"""What is wrong, the words of the command line, what the sentence names."""

# The tiny runs are shorter than any interval and write where an earlier one wrote.
QUIET = [
    pytest.mark.filterwarnings(
        "ignore:Checkpoint directory .* exists and is not empty"
    ),
    # a resumed run writes into a directory of its own
    pytest.mark.filterwarnings("ignore:The dirpath has changed"),
    # forking is safe here: no accelerator is in use
    pytest.mark.filterwarnings("ignore:.*use of fork.*may lead to deadlocks"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded"),
]


def inspect_wandb_run(run: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """What W&B's own command reads from an offline run."""
    command = [sys.executable, "-m", "wandb", "leet", "inspect", *options, str(run)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False
    )


def tiny(method: str = "WGANGP", **trainer: Any) -> dict[str, Any]:
    return {
        "model": {
            "class_path": method,
            "init_args": {
                "generator": {
                    "class_path": "MLPGenerator",
                    "init_args": {"latent_dim": 2, "shape": [2], "hidden": [8]},
                },
                "critic": {
                    "class_path": "MLPCritic",
                    "init_args": {"shape": [2], "hidden": [8]},
                },
                "n_critic": 2,
            },
        },
        "data": {
            "class_path": "PointClouds",
            "init_args": {
                "name": "ring8",
                "batch_size": 4,
                "n_train": 32,
                "n_val": 8,
                "n_test": 8,
                "n_predict": 5,
            },
        },
        "trainer": {
            "accelerator": "cpu",
            "devices": 1,
            "max_steps": 2,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "logger": {
                "class_path": "CSVLogger",
                "init_args": {"save_dir": "runs", "name": "tiny"},
            },
            "callbacks": [
                {
                    "class_path": "callbacks.Checkpoint",
                    "init_args": {"save_last": True, "every_n_train_steps": 1},
                }
            ],
            **trainer,
        },
    }


def write(config: dict[str, Any], path: Path = Path("tiny.yaml")) -> Path:
    path.write_text(yaml.safe_dump(config))
    return path


def traces() -> list[str]:
    """What a run leaves behind."""
    return sorted(p.name for p in Path.cwd().iterdir() if p.suffix != ".yaml")


def each_of(mistakes: list[Mistake]) -> pytest.MarkDecorator:
    """One test for each mistake, named after it."""
    return pytest.mark.parametrize(
        ("words", "named"),
        [mistake[1:] for mistake in mistakes],
        ids=[mistake[0] for mistake in mistakes],
    )


def check_mistake(run: Run, words: str, named: list[str]) -> None:
    """The mistake ends in one sentence, and no file is left."""
    code, sentence = run("fit", "--config", "tiny.yaml", *words.split())
    assert code == 2
    for name in named:
        assert name in sentence
    assert len(sentence) < 320
    assert "choose from ." not in sentence
    assert traces() == []
