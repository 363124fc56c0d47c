from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor

import callbacks.checkpoint
from callbacks import Checkpoint
from callbacks.files import put_in_place
from lightning_modules.networks import MLPCritic, MLPGenerator
from lightning_modules.wgan_gp import WGANGP

# A resumed run goes on writing where the interrupted one wrote.
pytestmark = [
    pytest.mark.filterwarnings(
        "ignore:Checkpoint directory .* exists and is not empty"
    ),
    pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended"),
]


class Loader(list[Tensor]):
    """Batches that Lightning takes for one loader, where a plain list is several."""


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
    *observers: Callback, ckpt_path: Path | None = None, **settings: Any
) -> tuple[Trainer, WGANGP]:
    module = LogsAnOldStep(MLPGenerator(2, (2,)), MLPCritic((2,)), n_critic=2)
    trainer = Trainer(
        accelerator="cpu", logger=False, callbacks=[*observers], log_every_n_steps=1,
        enable_progress_bar=False, enable_model_summary=False,
        **{"max_steps": 6, "limit_val_batches": 0} | settings,
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


@pytest.mark.parametrize("interval", [4, 6])
def test_a_monitor_that_is_not_there_yet_puts_the_save_off(
    tmp_path: Path, interval: int
) -> None:
    saver = Counting(
        dirpath=tmp_path, every_n_train_steps=1, save_top_k=1,
        monitor="val/sliced_wasserstein",
    )  # fmt: skip
    fit(saver, val_check_interval=interval, max_steps=3, limit_val_batches=1)
    assert saver.saved[0] == f"epoch=0-step={interval // 2}.ckpt"
    assert saver.best_model_score is not None


def test_a_half_written_checkpoint_is_never_taken_for_a_good_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def killed(part: Path, target: Path) -> Path:
        data = Path(part).read_bytes()
        if torch.load(part, weights_only=True)["global_step"] < 4:
            return put_in_place(part, target)
        Path(part).write_bytes(data[: len(data) // 2])
        raise InterruptedError

    monkeypatch.setattr(callbacks.checkpoint, "put_in_place", killed)
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


def test_it_saves_nothing_in_a_smoke_run(tmp_path: Path) -> None:
    fit(Checkpoint(dirpath=tmp_path, every_n_train_steps=1), fast_dev_run=4)
    assert list(tmp_path.iterdir()) == []
