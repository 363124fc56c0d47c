"""A fit ends with a validation of its last weights, and with no second one."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from callbacks import Checkpoint, FinalValidation
from lightning_modules import CML, WGANGP
from tests.support.methods import build
from tests.support.trainers import QUIET_TRAINER

LENGTHS = {
    "steps": ({"max_steps": 5, "max_epochs": -1}, 5),
    "interval": ({"max_steps": 4, "max_epochs": -1, "val_check_interval": 20}, 4),
    "epochs": ({"max_epochs": 3, "check_val_every_n_epoch": 2}, None),
    "due": ({"max_epochs": 2, "check_val_every_n_epoch": 1}, None),
}


class Steps(Callback):
    """Steps of all validations."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def on_validation_end(self, trainer: Trainer, _: LightningModule) -> None:
        self.seen.append(trainer.global_step)


@pytest.mark.parametrize("method", [WGANGP, CML])
@pytest.mark.parametrize(("length", "steps"), LENGTHS.values(), ids=LENGTHS)
def test_the_last_weights_are_validated_once_and_ranked(
    method: Any, length: dict[str, Any], steps: int | None, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    module, data = build(method, **({"n_critic": 2} if method is WGANGP else {}))
    if "val_check_interval" in length:
        length = length | {"check_val_every_n_epoch": None}
    saved = Checkpoint(
        tmp_path, monitor=str(module.monitor), save_top_k=-1, every_n_train_steps=1
    )
    steps_seen, options = Steps(), QUIET_TRAINER | {"enable_checkpointing": True}
    trainer = Trainer(
        callbacks=[FinalValidation(), steps_seen, saved],
        num_sanity_val_steps=0,
        **(options | length),
    )
    trainer.fit(module, data)
    assert steps in (None, trainer.global_step)
    assert steps_seen.seen.count(trainer.global_step) == 1
    assert steps_seen.seen[-1] == trainer.global_step
    last = [torch.load(p, weights_only=True) for p in tmp_path.glob("*.ckpt")]
    assert trainer.global_step in {checkpoint["global_step"] for checkpoint in last}
    given = length.get("check_val_every_n_epoch", 1)
    assert trainer.check_val_every_n_epoch == given


def test_a_run_without_validation_stays_without() -> None:
    module, data = build(CML)
    seen = Steps()
    Trainer(
        callbacks=[FinalValidation(), seen],
        max_epochs=1,
        limit_val_batches=0,
        **QUIET_TRAINER,
    ).fit(module, data)
    assert seen.seen == []
