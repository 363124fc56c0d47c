"""`python -m benchmarks`: what it keeps, and the page that it writes."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import __main__ as command
from benchmarks import accelerator, generative, lazy, page, penalty, startup, work
from benchmarks.records import Goal


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for module, name, path in (
        (page, "MEASURED", tmp_path / "performance"),
        (page, "PAGE", tmp_path / "performance.md"),
        (command, "MEASURED", tmp_path / "performance"),
    ):
        monkeypatch.setattr(module, name, path)
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    return tmp_path


def test_a_measurement_is_kept_and_shown(
    docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"case": "sum", "ratio": "1.00"}, {"case": "product", "share": "80%"}]
    monkeypatch.setitem(command.MEASUREMENTS, "work", lambda _: rows)
    command.main(["work", "--rounds", "3"])
    kept = json.loads((docs / "performance" / "work.json").read_text())
    assert kept["rows"] == rows
    assert kept["command"] == "python -m benchmarks work --rounds 3"
    text = (docs / "performance.md").read_text()
    assert "| case | ratio | share |\n|---|---|---|\n| sum | 1.00 |  |" in text
    assert f"commit {kept['commit']}; {kept['hardware']}" in text
    assert text.count("Not measured yet.") == len(command.MEASUREMENTS) - 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["speed"], "unknown NAME speed: choose from training, usual"),
        (["work", "--rounds", "1"], "--rounds must be at least 2, got 1"),
    ],
)
def test_what_is_not_known_is_refused(
    words: list[str], sentence: str, docs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        command.main(words)
    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err
    assert not list(docs.iterdir())


def test_every_measurement_has_a_section() -> None:
    assert list(page.SECTIONS) == list(command.MEASUREMENTS)


def test_the_committed_page_is_the_one_that_its_measurements_make() -> None:
    assert page.PAGE.read_text() == page.page_text()


def test_without_a_device_the_page_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert accelerator.accelerator(2) == [{"state": "not measured: no CUDA device"}]


def test_the_script_for_a_device_runs_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    modes = {"eager": accelerator.MODES["eager"]}
    monkeypatch.setattr(accelerator, "MODES", modes)
    (row,) = accelerator.games(
        accelerator.Device("cpu"), generative.PAIRS["digits"], steps=2
    )
    assert row["way"] == "eager"
    assert float(row["real pictures a second"].replace(",", "")) > 0
    assert 0 < float(row["share of the matrix rate"].rstrip("%")) < 100


def test_a_command_that_fails_says_what_it_said() -> None:
    with pytest.raises(RuntimeError, match="no such thing"):
        startup.ran(["sh", "-c", "echo no such thing; exit 3"])


def test_a_command_s_own_time_and_memory_count() -> None:
    spent = startup.ran(["sleep", "0.2"])
    assert 0.2 <= spent.wall < 5
    assert spent.cpu < 0.2
    assert spent.memory > 0


def test_the_share_of_the_limit_is_work_by_time_by_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(work, "matrix_rate", lambda: 1e9)
    monkeypatch.setattr(work, "_time", lambda *_: 0.25)
    monkeypatch.setattr(work, "count", lambda _: 200_000_000)
    monkeypatch.setattr(work, "CASES", (("gan", "digits", 1, Goal(least=0.9)),))
    (row,) = work.work(rounds=2)
    assert row["share of the limit"] == "80%"
    assert row["goal"] == "at least 90%: **missed**"


def test_the_difference_of_gradients_is_relative() -> None:
    weight = torch.ones(2, requires_grad=True)

    def loss(factor: float) -> Any:
        return lambda: factor * weight.square().sum()

    assert penalty._difference(loss(1.0), loss(1.1), [weight]) == pytest.approx(0.1)


def test_the_lazy_penalty_is_one_full_update_in_four(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    costs = iter([10, 5, 3])  # with penalty, without, the generator's
    monkeypatch.setattr(lazy, "count", lambda _: next(costs))
    ratio = lazy.work_ratio(generative.PAIRS["points"])
    assert ratio == pytest.approx((5 * 10 + 3) / (5 * (10 + 3 * 5) / 4 + 3))


def test_quality_is_of_the_seeds_that_both_have() -> None:
    cells = [
        {"method": method, "seed": seed, "metrics": dict.fromkeys(lazy.SHOWN, value)}
        for method, value in (("wgan_gp", 2.0), ("wgan_gp_lazy", 3.0))
        for seed in range(2)
    ]
    extra = dict.fromkeys(lazy.SHOWN, 100.0)
    cells.append({"method": "wgan_gp", "seed": 2, "metrics": extra})
    every, fourth = lazy._compared(cells, {"wgan_gp": "every", "wgan_gp_lazy": "4th"})
    assert every["exact W1"] == "2 ± 0"
    assert fourth == {
        "penalty": "4th",
        "seeds": "2",
        **dict.fromkeys(lazy.SHOWN.values(), "3 ± 0"),
    }
