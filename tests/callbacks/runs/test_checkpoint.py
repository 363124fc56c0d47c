import time
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor

import callbacks.runs.checkpoint
from callbacks import Checkpoint
from callbacks.generative.sample_grid import SampleGrid
from callbacks.runs.checkpoint import keep_previous
from lightning_modules.core.alternating import Warmup
from lightning_modules.core.files import put_in_place
from lightning_modules.generative.wgan_gp import WGANGP
from lightning_modules.networks import MLPCritic, MLPGenerator
from tests.support.trainers import Loader

# A resumed run goes on writing where the interrupted one wrote.
pytestmark = [
    pytest.mark.filterwarnings(
        "ignore:Checkpoint directory .* exists and is not empty"
    ),
    pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended"),
]


BATCHES = Loader(
    [torch.zeros(4, 2)] * 6
)  # with n_critic 2: three player updates an epoch


class Counting(Checkpoint):
    """Notes the file names in the order in which they were saved."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.saved: list[str] = []

    def _save_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        super()._save_checkpoint(trainer, filepath)
        self.saved.append(Path(filepath).name)


class LogsAnOldStep(WGANGP):
    def training_step(self, batch: Tensor, batch_idx: int) -> None:
        super().training_step(batch, batch_idx)
        if self.global_step <= 1:
            self.log("step", float(self.global_step))


def fit(
    *observers: Callback,
    ckpt_path: Path | None = None,
    warmup: Warmup | None = None,
    **settings: Any,
) -> tuple[Trainer, WGANGP]:
    module = LogsAnOldStep(MLPGenerator(2, (2,)), MLPCritic((2,)), n_critic=2)
    module.turns.warmup = warmup
    trainer = Trainer(
        accelerator="cpu", callbacks=[*observers],
        enable_progress_bar=False, enable_model_summary=False,
        **{"max_steps": 6, "limit_val_batches": 0, "logger": False,
           "log_every_n_steps": 1} | settings,
    )  # fmt: skip
    trainer.fit(module, BATCHES, BATCHES, ckpt_path=ckpt_path)
    return trainer, module


def test_it_saves_once_at_each_multiple_of_player_updates(tmp_path: Path) -> None:
    saver = Counting(dirpath=tmp_path, every_n_train_steps=2, save_top_k=-1)
    fit(saver)
    assert saver.saved == [
        f"epoch={e}-step={s}.ckpt" for e, s in ((0, 2), (1, 4), (1, 6))
    ]
    for name in saver.saved:
        state = torch.load(tmp_path / name, weights_only=True)
        assert f"step={state['global_step']}." in name


def test_a_resumed_run_does_not_save_its_first_step_again(tmp_path: Path) -> None:
    fit(Counting(dirpath=tmp_path, every_n_train_steps=2, save_top_k=-1))
    saver = Counting(dirpath=tmp_path, every_n_train_steps=2, save_top_k=-1)
    fit(saver, ckpt_path=tmp_path / "epoch=0-step=2.ckpt", max_steps=5)
    assert saver.saved == ["epoch=1-step=4-v1.ckpt"]


@pytest.mark.parametrize(("hours", "saves"), [(0, 6), (1, 0)])
def test_it_saves_when_the_time_is_up(tmp_path: Path, hours: int, saves: int) -> None:
    interval = timedelta(hours=hours)
    saver = Counting(dirpath=tmp_path, train_time_interval=interval, save_top_k=-1)
    fit(saver)
    assert len(saver.saved) == saves


def test_rank_0_decides_whether_time_is_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saver = Counting(dirpath=tmp_path, train_time_interval=timedelta(0), save_top_k=-1)

    class RankZeroSaysNo(Callback):
        def on_train_start(self, trainer: Trainer, *_: Any) -> None:
            monkeypatch.setattr(trainer.strategy, "broadcast", lambda _: False)

    fit(saver, RankZeroSaysNo())
    assert saver.saved == []


def test_a_save_that_a_validation_follows_comes_after_it(tmp_path: Path) -> None:
    seen: list[str] = []
    saver = Counting(dirpath=tmp_path, every_n_train_steps=1, save_top_k=-1)

    class Order(Callback):
        def on_validation_start(self, trainer: Trainer, *_: Any) -> None:
            seen.append(f"validate {trainer.global_step}: {len(saver.saved)} saved")

    fit(saver, Order(), val_check_interval=4, max_steps=3, limit_val_batches=1,
        num_sanity_val_steps=0)  # fmt: skip
    assert seen == ["validate 2: 1 saved"]
    assert len(saver.saved) == 3


MONITOR = "val/sliced_wasserstein"


def step_in(path: Path) -> int:
    return int(torch.load(path, weights_only=True)["global_step"])


def test_the_ranking_waits_for_a_validation_and_the_last_checkpoint_does_not(
    tmp_path: Path,
) -> None:
    saver = Counting(
        dirpath=tmp_path, every_n_train_steps=1, save_last=True, monitor=MONITOR
    )
    fit(saver, val_check_interval=4, max_steps=3, limit_val_batches=1)
    best = "epoch=0-step=2.ckpt"
    assert saver.saved == ["last.ckpt", best, "last.ckpt", "last.ckpt"]
    assert saver.best_model_path == str(tmp_path / best)
    assert step_in(tmp_path / best) == 2
    assert step_in(tmp_path / "last.ckpt") == 3


@pytest.mark.parametrize(
    ("interval", "saves"),
    [
        ({"every_n_train_steps": 2}, 3),
        ({"train_time_interval": timedelta(0)}, 6),
        ({"every_n_epochs": 1}, 2),
    ],
)
def test_without_validation_a_monitored_run_still_saves_its_last_step(
    tmp_path: Path, interval: dict[str, Any], saves: int
) -> None:
    saver = Counting(dirpath=tmp_path, save_last=True, monitor=MONITOR, **interval)
    fit(saver)
    assert saver.saved == ["last.ckpt"] * saves


@pytest.mark.parametrize("monitor", [None, MONITOR])
@pytest.mark.parametrize("end", [{"max_steps": 10}, {"max_steps": -1, "max_epochs": 3}])
def test_at_the_end_the_last_checkpoint_is_of_the_last_step(
    tmp_path: Path, monitor: str | None, end: dict[str, Any]
) -> None:
    settings: dict[str, Any] = {"every_n_train_steps": 4, "monitor": monitor}
    trainer, _ = fit(Checkpoint(tmp_path, save_last=True, **settings), **end)
    assert trainer.global_step in (9, 10)
    assert step_in(tmp_path / "last.ckpt") == trainer.global_step


def test_a_last_checkpoint_that_is_a_link_names_the_last_step_all_the_same(
    tmp_path: Path,
) -> None:
    settings: dict[str, Any] = {"every_n_train_steps": 1, "monitor": MONITOR}
    saver = Checkpoint(tmp_path, save_last="link", **settings)
    validation: dict[str, Any] = {"val_check_interval": 4, "limit_val_batches": 1}
    fit(saver, max_steps=2, **validation)
    assert (tmp_path / "last.ckpt").is_symlink()
    assert step_in(tmp_path / "last.ckpt") == 2
    fit(saver, max_steps=3, **validation)
    assert step_in(tmp_path / "last.ckpt") == 3


class Validated(Callback):
    """Keeps what each validation found, by step."""

    def __init__(self) -> None:
        self.found: dict[int, list[float]] = {}

    def on_validation_end(self, trainer: Trainer, *_: Any) -> None:
        value = float(trainer.callback_metrics[MONITOR])
        self.found.setdefault(trainer.global_step, []).append(value)


@pytest.mark.parametrize("interval", [3, 4, 5])
def test_a_ranked_checkpoint_has_the_metric_of_its_own_step(
    tmp_path: Path, interval: int
) -> None:
    saver = Checkpoint(
        tmp_path, every_n_train_steps=1, save_top_k=-1, monitor=MONITOR
    )  # fmt: skip
    validated = Validated()
    fit(saver, validated, warmup=Warmup(batches=3, first=2, every=3), max_steps=8,
        val_check_interval=interval, check_val_every_n_epoch=None, limit_val_batches=1,
        num_sanity_val_steps=0)  # fmt: skip
    assert len(saver.best_k_models) >= 3
    for path, score in saver.best_k_models.items():
        assert float(score) in validated.found[step_in(Path(path))]
    assert len({v for found in validated.found.values() for v in found}) > 3


def test_a_ranking_that_was_waiting_is_made_after_a_resume(tmp_path: Path) -> None:
    def saver() -> Counting:
        settings: dict[str, Any] = {"every_n_train_steps": 2, "save_last": True}
        return Counting(dirpath=tmp_path, monitor=MONITOR, **settings)

    validation: dict[str, Any] = {"val_check_interval": 5, "limit_val_batches": 1}
    fit(saver(), max_steps=2, **validation)
    resumed = saver()
    fit(resumed, ckpt_path=tmp_path / "last.ckpt", max_steps=3, **validation)
    assert resumed.saved[:2] == ["epoch=0-step=2.ckpt", "last.ckpt"]


def test_a_validation_without_a_number_is_never_the_best(tmp_path: Path) -> None:
    class Nan(Callback):
        def on_validation_epoch_end(self, trainer: Trainer, *_: Any) -> None:
            value = torch.nan if trainer.global_step != 5 else 1.0
            trainer.lightning_module.log("val/number", value)

    settings: dict[str, Any] = {"monitor": "val/number", "filename": "best-{step}"}
    saver = Checkpoint(
        tmp_path, **settings, every_n_train_steps=2, save_last=True,
        auto_insert_metric_name=False,
    )  # fmt: skip
    fit(Nan(), saver, max_steps=6, limit_val_batches=1, val_check_interval=4)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"best-5.ckpt", "last.ckpt", "last-previous.ckpt"}


def test_a_half_written_checkpoint_is_never_taken_for_a_good_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def killed(part: Path, target: Path) -> Path:
        data = Path(part).read_bytes()
        if torch.load(part, weights_only=True)["global_step"] < 4:
            return put_in_place(part, target)
        Path(part).write_bytes(data[: len(data) // 2])
        raise InterruptedError

    monkeypatch.setattr(callbacks.runs.checkpoint, "put_in_place", killed)
    settings: dict[str, Any] = {"every_n_train_steps": 2, "save_last": True}
    with pytest.raises(InterruptedError):
        fit(Checkpoint(dirpath=tmp_path, **settings))
    assert any(path.suffix == ".part" for path in tmp_path.iterdir())
    for path in tmp_path.glob("*.ckpt"):
        assert torch.load(path, weights_only=True)["global_step"] == 2
    monkeypatch.undo()
    trainer, _ = fit(Checkpoint(dirpath=tmp_path, **settings), ckpt_path="last")  # type: ignore[arg-type]
    assert trainer.global_step == 6
    assert not any(path.suffix == ".part" for path in tmp_path.iterdir())


def test_a_smoke_run_writes_nothing(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"every_n_train_steps": 1, "save_last": True}
    observers = [Checkpoint(**settings), Checkpoint(monitor=MONITOR, save_last=True)]
    trainer, _ = fit(
        *observers, SampleGrid(1), fast_dev_run=4, limit_val_batches=1, max_steps=-1
    )
    assert trainer.global_step == 2
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_a_kill_left_is_not_left_again(tmp_path: Path) -> None:
    last = tmp_path / "last.ckpt"
    last.touch()
    for _ in range(2):  # the second time both names are those of one file
        keep_previous(last)
        names = {path.name for path in tmp_path.iterdir()}
        assert names == {"last.ckpt", "last-previous.ckpt"}


class Batches(Callback):
    """Lets seconds pass on a clock with every batch."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
        self.now, self.seconds = time.monotonic(), seconds
        clock = SimpleNamespace(monotonic=lambda: self.now)
        monkeypatch.setattr(callbacks.runs.checkpoint, "time", clock)

    def on_train_batch_start(self, *_: Any) -> None:
        self.now += self.seconds


def test_the_time_between_two_saves_counts_from_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interval = timedelta(seconds=100)
    saver = Counting(dirpath=tmp_path, train_time_interval=interval, save_top_k=-1)
    fit(Batches(monkeypatch, 34), saver)
    assert len(saver.saved) == 4  # twelve batches of 34 seconds


def test_every_second_epoch_is_the_second_and_the_fourth(tmp_path: Path) -> None:
    saver = Counting(dirpath=tmp_path, every_n_epochs=2, save_top_k=-1)
    fit(saver, max_steps=-1, max_epochs=5)
    assert saver.saved == ["epoch=1-step=6.ckpt", "epoch=3-step=12.ckpt"]


def test_what_a_killed_process_left_unfinished_is_removed(tmp_path: Path) -> None:
    (tmp_path / "epoch=0-step=1.ckpt.part").write_bytes(b"half")
    (tmp_path / "other.part").write_bytes(b"not a checkpoint")
    fit(Checkpoint(tmp_path, every_n_train_steps=6))
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"other.part", "epoch=1-step=6.ckpt"}


def test_loggers_are_flushed_before_each_checkpoint(tmp_path: Path) -> None:
    seen: list[str] = []

    class Log(CSVLogger):
        def save(self) -> None:
            seen.append("flushed")

    class Saving(Callback):
        def on_save_checkpoint(self, *_: Any) -> None:
            seen.append("saved")

    saver = Checkpoint(tmp_path, every_n_train_steps=3, save_top_k=-1)
    log = Log(tmp_path / "logs")
    fit(saver, Saving(), logger=log, log_every_n_steps=1000)
    before = [seen[n - 1] for n, event in enumerate(seen) if event == "saved"]
    assert before == ["flushed", "flushed"]


def test_a_sanity_check_saves_nothing(tmp_path: Path) -> None:
    class Refuses(Counting):
        def _save_checkpoint(self, trainer: Trainer, filepath: str) -> None:
            assert not trainer.sanity_checking
            super()._save_checkpoint(trainer, filepath)

    settings: dict[str, Any] = {"every_n_epochs": 1, "monitor": MONITOR}
    saver = Refuses(dirpath=tmp_path, save_on_train_epoch_end=False, **settings)
    fit(saver, limit_val_batches=1, num_sanity_val_steps=1)
    assert saver.saved
