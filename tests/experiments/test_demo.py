import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from experiments import demo
from experiments.results.tables import TABLES

SLOPE = {"class_path": "callbacks.TransportMonitor", "init_args": {"every_n_steps": 1}}
TINY = [
    "--trainer.max_steps=2",
    "--trainer.enable_progress_bar=false",
    "--trainer.enable_model_summary=false",
    f"--trainer.callbacks+={json.dumps(SLOPE)}",
]


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_the_demo_measures_what_its_table_shows_and_says_what_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shares = [0.04, 0.16, *[0.1] * 8]
    judged: list[torch.Tensor] = []

    def classified(samples: torch.Tensor) -> list[float]:
        judged.append(samples)
        return shares

    monkeypatch.setattr(demo, "class_shares", classified)
    torch.set_num_threads(2)
    metrics = demo.demo(3, TINY)
    assert {column.key for column in TABLES["demo"].columns} <= set(metrics)
    assert metrics["steps"] == 2
    assert (metrics["min_class_share"], metrics["max_class_share"]) == (0.04, 0.16)
    # two steps do not make digits: far from them, and told apart at once
    assert metrics["w1_start"] > 1.5 * metrics["w1_halves"]
    assert metrics["w1_ratio"] == metrics["w1_end"] / metrics["w1_halves"] > 1.5
    assert metrics["two_sample_accuracy"] > 0.95
    assert 1 <= metrics["distinct_neighbours"] < 200
    assert judged[0].shape == (898, 1, 8, 8)
    assert torch.get_num_threads() == 1

    said = capsys.readouterr().out
    steps = [said.index(f"[{step}/3] ") for step in (1, 2, 3)]
    assert steps == sorted(steps)
    assert f"exact W1 at the end         {metrics['w1_end']:.3f}" in said
    total = next(line for line in said.splitlines() if "all of this took" in line)
    assert float(total.split()[-2]) >= metrics["fit_seconds"] - 1
    assert (tmp_path / "runs/wgan_gp-digits/version_0/generator.safetensors").exists()
