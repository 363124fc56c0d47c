import csv
import io
import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor, nn
from torch.multiprocessing.spawn import ProcessRaisedException
from typing_extensions import override

from callbacks import Checkpoint, ExactResume, WeightEMA
from callbacks.critics.transport_monitor import TransportMonitor
from callbacks.runs.exact_resume import random_states, set_random_states
from datamodules import Digits
from lightning_modules.generative.wgan_gp import WGANGP
from tests.support.trainers import same

MAX_STEPS = 7
CPU = torch.device("cpu")

# The shipped networks have no dropout, so these draw from torch's global generator.
# Lightning compares the player updates with the batches of an epoch and warns for
# every loader that it cannot ask for its position.
pytestmark = [
    pytest.mark.filterwarnings(
        "ignore:Checkpoint directory .* exists and is not empty"
    ),
    pytest.mark.filterwarnings("ignore:.*use of fork.*may lead to deadlocks"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded"),
]


class Generator(nn.Sequential):
    latent_dim = 4

    def __init__(self) -> None:
        super().__init__(
            nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 64), nn.Tanh()
        )
        self.append(nn.Unflatten(1, (1, 8, 8)))


class Critic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(64, 16),
            nn.SiLU(),
            nn.Dropout(0.2),
            nn.Linear(16, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.layers(x)
        return scores.squeeze(1)


class Watch(Callback):
    """Saves after batch ``save``, stops before batch ``stop`` or in a validation.

    Logs by epoch, as a user's own callback may: four reductions, one of odd batches.
    """

    def __init__(
        self, home: Path, save: int = -1, stop: int = -1, validation: int = 0
    ) -> None:
        self.home, self.save, self.stop, self.batch = home, save, stop, 0
        self.validation, self.validations = validation, 0

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.world_size > 1:  # seed_everything gives all ranks the same state
            torch.manual_seed(trainer.global_rank)

    def on_train_batch_start(self, *_: Any) -> None:
        if self.batch == self.stop:
            raise InterruptedError

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *_: Any
    ) -> None:
        self.batch += 1
        value = next(pl_module.parameters()).detach().sum()
        several = trainer.world_size > 1
        for how in ("mean", "sum", "min", "max"):
            pl_module.log(
                f"own/{how}", value, on_epoch=True, reduce_fx=how, sync_dist=several
            )
        if trainer.fit_loop.epoch_loop.batch_idx % 2:
            pl_module.log(
                "own/odd", value, on_epoch=True, batch_size=7, sync_dist=several
            )
        if self.batch == self.save:
            trainer.save_checkpoint(self.home / "saved.ckpt")

    def on_validation_epoch_start(self, trainer: Trainer, *_: Any) -> None:
        self.validations += not trainer.sanity_checking
        if self.validations and self.validations == self.validation:
            raise InterruptedError

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        trainer.save_checkpoint(self.home / "final.ckpt")


def scheduler(optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
    return torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, MAX_STEPS)


def run(
    directory: Path,
    *callbacks: Callback,
    seed: int = 3,
    ckpt_path: Path | str | None = None,
    workers: int = 0,
    exact: bool = True,
    batch_size: int = 200,
    **trainer_kwargs: Any,
) -> Trainer:
    seed_everything(seed)
    module = WGANGP(
        Generator(),
        Critic(),
        n_critic=2,
        critic_scheduler=scheduler,
        generator_scheduler=scheduler,
    )
    # A measurement of 300 samples needs more than the batch of its step.
    watching = [WeightEMA(decay=0.5), TransportMonitor(1, n=300)]
    observers = [*([ExactResume()] * exact), *watching, *callbacks]
    logger = CSVLogger(directory, name=None, version="log")
    settings: dict[str, Any] = {
        "accelerator": "cpu",
        "max_steps": MAX_STEPS,
        "log_every_n_steps": 1,
        "enable_checkpointing": any(isinstance(c, Checkpoint) for c in callbacks),
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    trainer = Trainer(
        logger=logger,
        callbacks=observers,
        default_root_dir=directory,
        **settings | trainer_kwargs,
    )
    data = Digits(batch_size=batch_size, num_workers=workers)
    trainer.fit(module, datamodule=data, ckpt_path=ckpt_path)
    return trainer


def final_state(directory: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(directory / "final.ckpt", weights_only=True)
    callbacks = state.pop("callbacks")
    state.pop("loops")
    return state | {"ema": callbacks["WeightEMA"]}


def differing(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    return [key for key in a.keys() | b.keys() if not same(a.get(key), b.get(key))]


def last_values(*directories: Path) -> dict[tuple[str, str], str]:
    """For each (step, column) the value logged last."""
    values = {}
    for directory in directories:
        with (directory / "log" / "metrics.csv").open() as file:
            for row in csv.DictReader(file):
                values.update({(row["step"], k): v for k, v in row.items() if v})
    return values


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Directory of the whole run with these settings; each is trained once."""
    done: dict[str, Path] = {}

    def whole(**kwargs: Any) -> Path:
        key = repr(kwargs)
        if key not in done:
            done[key] = tmp_path_factory.mktemp("whole")
            run(done[key], Watch(done[key]), **kwargs)
        return done[key]

    return whole


Whole = Callable[..., Path]
INTERRUPTIONS = (InterruptedError, ProcessRaisedException)


def check(whole: Path, killed: Path, resumed: Path) -> None:
    assert differing(final_state(whole), final_state(resumed)) == []
    assert last_values(whole) == last_values(killed, resumed)


# The digits give 4 batches of 200 in an epoch; a player update takes 2 of them.
@pytest.mark.long("loader workers, three times")
@pytest.mark.parametrize(
    ("save", "settings"),
    [
        (1, {}),
        (4, {}),
        (7, {}),
        (9, {"workers": 2}),
        (3, {"val_check_interval": 3}),
        (6, {"val_check_interval": 3}),
    ],
)
def test_a_resumed_run_equals_the_uninterrupted_one_bit_for_bit(
    tmp_path: Path, uninterrupted: Whole, save: int, settings: dict[str, Any]
) -> None:
    killed, resumed = tmp_path / "killed", tmp_path / "resumed"
    with pytest.raises(InterruptedError):
        run(killed, Watch(killed, save, stop=save + 2), **settings)
    run(resumed, Watch(resumed), ckpt_path=killed / "saved.ckpt", seed=99, **settings)
    check(uninterrupted(**settings), killed, resumed)


@pytest.mark.parametrize(
    ("arguments", "stop", "stop_in_validation"),
    [
        ({"every_n_train_steps": 3}, 13, 0),
        ({"every_n_train_steps": 3}, -1, 2),  # a validation follows steps 3 and 6
        ({"every_n_epochs": 1}, 9, 0),
        ({"every_n_epochs": 1}, -1, 3),
        ({"every_n_epochs": 1, "save_on_train_epoch_end": True}, 9, 0),
        ({"train_time_interval": timedelta(0)}, 6, 0),
    ],
)
def test_it_does_so_from_the_last_checkpoint_of_the_callback(
    tmp_path: Path,
    uninterrupted: Whole,
    arguments: dict[str, Any],
    stop: int,
    stop_in_validation: int,
) -> None:
    settings: dict[str, Any] = {}
    if "every_n_train_steps" in arguments:
        settings = {"val_check_interval": 6, "check_val_every_n_epoch": None}
    killed, resumed = tmp_path / "killed", tmp_path / "resumed"
    saver = Checkpoint(killed, save_last=True, **arguments)
    with pytest.raises(InterruptedError):
        run(killed, saver, Watch(killed, -1, stop, stop_in_validation), **settings)
    again = Checkpoint(killed, save_last=True, **arguments)
    last = killed / "last.ckpt"
    run(resumed, again, Watch(resumed), ckpt_path=last, seed=99, **settings)
    check(uninterrupted(**settings), killed, resumed)


def test_a_run_that_had_ended_goes_on_to_more_steps_bit_for_bit(
    tmp_path: Path, uninterrupted: Whole
) -> None:
    # Step 5 ends in the middle of an epoch, and is no multiple of 4.
    ended, longer = tmp_path / "ended", tmp_path / "longer"
    settings: dict[str, Any] = {"save_last": True, "every_n_train_steps": 4}
    run(ended, Checkpoint(ended, **settings), Watch(ended), max_steps=5)
    again, last = Checkpoint(ended, **settings), ended / "last.ckpt"
    assert torch.load(last, weights_only=True)["global_step"] == 5
    run(longer, again, Watch(longer), ckpt_path=last, seed=99)
    whole = uninterrupted()
    assert differing(final_state(whole), final_state(longer)) == []
    # the run that ended has written its half of an epoch, too
    assert last_values(whole).items() <= last_values(ended, longer).items()


@pytest.mark.long("loader workers of two processes, three times")
@pytest.mark.parametrize("workers", [0, 2])
def test_it_does_so_with_two_processes(
    tmp_path: Path, uninterrupted: Whole, workers: int
) -> None:
    settings: dict[str, Any] = {
        "workers": workers,
        "batch_size": 100,
        "devices": 2,
        "strategy": "ddp_fork",
        "check_val_every_n_epoch": 2,  # each one starts four loader processes
    }
    killed, resumed = tmp_path / "killed", tmp_path / "resumed"
    with pytest.raises(INTERRUPTIONS, match="InterruptedError"):
        run(killed, Watch(killed, 9, stop=11), **settings)
    run(resumed, Watch(resumed), ckpt_path=killed / "saved.ckpt", seed=99, **settings)
    check(uninterrupted(**settings), killed, resumed)
    ranks = final_state(resumed)["random_states"]
    assert not torch.equal(ranks[0]["torch"], ranks[1]["torch"])


def test_without_the_callback_dropout_goes_on_with_other_numbers(
    tmp_path: Path, uninterrupted: Whole
) -> None:
    killed, resumed = tmp_path / "killed", tmp_path / "resumed"
    with pytest.raises(InterruptedError):
        run(killed, Watch(killed, 9, stop=11), exact=False)
    with pytest.warns(UserWarning, match="saved without ExactResume"):
        run(resumed, Watch(resumed), ckpt_path=killed / "saved.ckpt", seed=99)
    changed = differing(final_state(uninterrupted()), final_state(resumed))
    assert {"state_dict", "random_states"} <= set(changed)


def test_resuming_on_another_number_of_processes_is_refused_in_one_sentence(
    tmp_path: Path,
) -> None:
    with pytest.raises(InterruptedError):
        run(tmp_path, Watch(tmp_path, 1, stop=2))
    path = tmp_path / "saved.ckpt"
    state = torch.load(path, weights_only=True)
    state["random_states"] *= 2
    torch.save(state, path)
    with pytest.raises(ValueError, match=r"by 2 process.*has 1.*trainer\.devices"):
        run(tmp_path / "resumed", ckpt_path=path)


def test_evaluation_with_a_checkpoint_leaves_the_random_states_alone(
    tmp_path: Path,
) -> None:
    trainer = run(tmp_path, Watch(tmp_path), max_steps=1)
    before = torch.get_rng_state()
    data = Digits(batch_size=200)
    trainer.validate(datamodule=data, ckpt_path=tmp_path / "final.ckpt", verbose=False)
    assert torch.equal(torch.get_rng_state(), before)


@given(st.integers(0, 2**32 - 1), st.integers(0, 5))
def test_random_states_come_back_through_a_file(seed: int, drawn: int) -> None:
    def draw() -> list[float]:
        own = np.random.normal(size=3).tolist()  # noqa: NPY002
        return [*torch.randn(3).tolist(), *own, random.gauss(), random.random()]

    before = random_states(CPU)
    seed_everything(seed, verbose=False)
    for _ in range(drawn):
        draw()
    file = io.BytesIO()
    torch.save(random_states(CPU), file)
    expected = draw()
    draw()
    set_random_states(torch.load(io.BytesIO(file.getvalue()), weights_only=True), CPU)
    assert draw() == expected
    set_random_states(before, CPU)


@pytest.mark.gpu
def test_the_random_state_of_the_device_comes_back_too() -> None:
    device = torch.device("cuda", 0)
    states = random_states(device)
    expected = torch.rand(3, device=device)
    torch.rand(3, device=device)
    set_random_states(states, device)
    assert torch.equal(torch.rand(3, device=device), expected)


def test_a_fit_after_an_evaluation_goes_on_with_its_own_random_numbers() -> None:
    saved = {"random_states": [random_states(CPU)]}
    torch.rand(1)
    callback, evaluation = ExactResume(), Trainer(barebones=True)
    callback.on_load_checkpoint(evaluation, LightningModule(), saved)
    before = torch.get_rng_state()
    callback.on_train_batch_start(evaluation, LightningModule())
    assert torch.equal(torch.get_rng_state(), before)
