import re
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from torch import Tensor
from torch.utils.data import DataLoader

from callbacks import UpdateProgress
from callbacks.runs.progress_bar import NetworkSizes
from lightning_modules import WGANGP, MLPCritic, MLPGenerator
from tests.support.trainers import QUIET_TRAINER

pytestmark = pytest.mark.filterwarnings(
    # these fits have nothing to validate
    "ignore:You defined a `validation_step` but have no `val_dataloader`",
)


def module(**options: Any) -> WGANGP:
    return WGANGP(MLPGenerator(2, (2,), (4,)), MLPCritic((2,), (4,)), **options)


def fit(bar: UpdateProgress | None = None, **options: Any) -> None:
    points: DataLoader[Tensor] = DataLoader(torch.randn(16, 2), batch_size=4)  # type: ignore[arg-type]
    Trainer(
        **QUIET_TRAINER,
        log_every_n_steps=2,
        callbacks=[bar or UpdateProgress()],
        **options,
    ).fit(module(n_critic=2), points)


def test_the_bar_counts_player_updates_and_shows_what_was_logged(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fit(max_steps=6, max_epochs=-1)
    last = capsys.readouterr().out.strip().splitlines()
    shown = " ".join(last)
    assert "updates" in shown
    assert re.search(r"\b6/6\b", shown)
    assert re.search(r"wasserstein\s+-?\d", shown)


def test_the_bar_moves_after_each_player_update() -> None:
    places = []

    class Watched(UpdateProgress):
        def on_train_batch_end(self, *arguments: Any) -> None:
            super().on_train_batch_end(*arguments)
            assert self._progress is not None
            places.append(self._progress.tasks[0].completed)

    fit(Watched(), max_steps=3, max_epochs=-1)
    assert places == [0, 1, 1, 2, 2, 3]  # two batches to an update


def test_without_max_steps_it_counts_epochs(capsys: pytest.CaptureFixture[str]) -> None:
    fit(max_epochs=3)
    shown = capsys.readouterr().out
    assert "epochs" in shown
    assert re.search(r"\b3/3\b", shown)


def test_the_time_of_a_run_is_told_once_it_can_be_measured(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter(range(0, 10_000, 2))  # two for each look at the clock
    monkeypatch.setattr("callbacks.runs.progress_bar.now", seconds.__next__)
    fit(max_steps=20, max_epochs=-1)
    (told,) = re.findall(r"^about.*$", capsys.readouterr().out, re.M)
    assert told.startswith("about 32 seconds for the 16 steps to come (2 s each)")


def test_the_time_of_a_run_that_epochs_end_is_told_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter(range(0, 10_000, 2))  # two for each step, of which an epoch has 2
    monkeypatch.setattr("callbacks.runs.progress_bar.now", seconds.__next__)
    fit(max_epochs=10)
    (told,) = re.findall(r"^about.*$", capsys.readouterr().out, re.M)
    assert told.startswith("about 32 seconds for the 8 epochs to come (4 s each)")


def test_values_that_do_not_fit_are_left_out_and_none_is_cut(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fit(max_steps=6, max_epochs=-1)
    *_, last = capsys.readouterr().out.strip().splitlines()
    assert "wasserstein" in last
    assert "…" not in last


def test_the_parts_of_a_method_and_their_parameters_are_told_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = QUIET_TRAINER | {"callbacks": [NetworkSizes()]}
    points: DataLoader[Tensor] = DataLoader(torch.randn(8, 2), batch_size=4)  # type: ignore[arg-type]
    Trainer(max_epochs=1, **options).fit(module(), points)
    told = "WGANGP, 39 parameters (generator MLPGenerator 22, critic MLPCritic 17)"
    assert capsys.readouterr().err == f"model: {told}.\n"


def test_an_interrupted_run_gives_the_terminal_back() -> None:
    class Broken(UpdateProgress):
        def on_train_batch_start(self, *_: object) -> None:
            assert self._progress is not None
            bars.append(self._progress)
            raise RuntimeError("interrupted")

    bars: list[Any] = []
    trainer = Trainer(
        **QUIET_TRAINER,
        max_epochs=1,
        callbacks=[Broken()],
    )
    points: DataLoader[Tensor] = DataLoader(torch.randn(8, 2), batch_size=4)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="interrupted"):
        trainer.fit(module(), points)
    assert bars[0].live.is_started is False
