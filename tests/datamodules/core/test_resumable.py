"""Interrupted anywhere, a run goes on with the batches it would have seen."""

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import Dataset, get_worker_info

import datamodules
from datamodules import ImageFolder
from datamodules.core.in_memory import InMemoryDataModule, Splits
from datamodules.core.loader import BatchLoader
from datamodules.core.samplers import OrderedRows
from datamodules.core.tensor_dataset import LabelledRows
from tests.support import small_data
from tests.support.small_images import small_images
from tests.support.trainers import QUIET_TRAINER

DATA = [
    cls
    for cls in (getattr(datamodules, name) for name in datamodules.__all__)
    if not inspect.isabstract(cls)
]
REQUIRED: dict[str, dict[str, Any]] = {
    "PointClouds": {"name": "ring8"},
    "OfficeImages": {"source": "amazon", "target": "webcam"},
}
N_BATCHES = 4  # of an epoch
Seen = list[list[int]]


class Numbered(InMemoryDataModule):
    """Rows that are their own numbers."""

    shape = (1,)
    rows = 11

    def read(self) -> Splits:
        numbers = torch.arange(self.rows)
        pairs = LabelledRows(numbers[:, None].float(), numbers)
        return pairs, pairs, pairs


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    small_data.write_all(root)
    return root


def sizes_of(data: Any) -> list[int]:
    """Rows in each part of data that was read, whatever its kind."""
    if data.kind == "interactions":
        return [len(data.interactions(part)) for part in ("train", "val", "test")]
    if data.kind == "two_domains":
        parts = vars(data.domains)
        return [len(rows) for rows in parts.values()]
    parts = (data.train_set, data.val_set, data.test_set)
    return [len(part) for part in {id(part): part for part in parts}.values()]


@pytest.mark.parametrize("cls", DATA, ids=lambda cls: cls.__name__)
def test_every_data_module_says_what_it_found_and_how_much_of_it_is_used(
    cls: Any, files: Path
) -> None:
    name = cls.__name__
    data = cls(**{**small_data.OPTIONS[name](files), **REQUIRED.get(name, {})})
    assert data.summary().endswith(": not read, as nothing of it is needed")
    data.prepare_data()
    data.setup()
    found = data.summary()
    assert found.startswith(name)
    numbers = [int(n.replace(",", "")) for n in re.findall(r"\b\d[\d,]*", found)]
    for size in sizes_of(data):
        numbers.remove(size)
    assert "\n" not in found
    root = vars(data).get("root", "")
    assert str(root) in found


def test_files_that_were_left_out_are_counted(tmp_path: Path) -> None:
    for i in range(3):
        Image.new("RGB", (9, 9)).save(tmp_path / f"{i}.png")
    (tmp_path / "3.png").write_bytes(b"no image")
    data = ImageFolder(str(tmp_path), 8, val_fraction=0.4, batch_size=2)
    with pytest.warns(UserWarning, match="Skipped 1 files"):
        data.setup()
    assert data.summary() == (
        f"ImageFolder {tmp_path}: 3 images of 3 x 8 x 8 (train 2, val = test 1), "
        "1 files skipped"
    )


class Recorder(LightningModule):
    """Writes down the rows of every batch that it steps on, a file per process."""

    def __init__(self, log: Path, step_every: int = 1) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.weight = nn.Parameter(torch.zeros(()))
        self.log_to, self.step_every = log, step_every

    def training_step(self, batch: list[Tensor], batch_idx: int) -> None:
        with self.file_of(self.global_rank).open("a") as file:
            file.write(" ".join(str(row) for row in batch[1].tolist()) + "\n")
        if (batch_idx + 1) % self.step_every == 0:
            optimizer: Any = self.optimizers()
            optimizer.zero_grad()
            self.manual_backward(self.weight**2 + 0 * batch[0].sum())
            optimizer.step()

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        pass

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def file_of(self, rank: int) -> Path:
        return self.log_to.with_suffix(f".{rank}")


class SaveAt(Callback):
    """Saves a checkpoint in one hook, at one batch counted over all epochs."""

    def __init__(self, path: Path, hook: str, batch: int) -> None:
        self.path, self.batch, self.count = path, batch, 0
        setattr(self, hook, self._save)

    def on_train_batch_start(self, *_: Any) -> None:
        self.count += 1

    def _save(self, trainer: Trainer, *_: Any) -> None:
        if self.count == self.batch and not trainer.sanity_checking:
            trainer.save_checkpoint(self.path)


def fit(
    log: Path,
    *,
    workers: int = 0,
    devices: int = 1,
    callbacks: list[Callback] | None = None,
    ckpt_path: Path | None = None,
    step_every: int = 1,
    saved: Path | None = None,
    **trainer: Any,
) -> list[Seen]:
    """The rows of each batch, for every process."""
    data = Numbered(batch_size=2 // devices, num_workers=workers, seed=3)
    data.rows = 2 * N_BATCHES + 1
    distributed = {"strategy": "ddp_fork"} if devices > 1 else {}
    limits = {} if "max_steps" in trainer else {"max_epochs": 3}
    module = Recorder(log, step_every)
    run = Trainer(
        **QUIET_TRAINER,
        devices=devices,
        callbacks=callbacks,
        **{"num_sanity_val_steps": 0, **distributed, **limits, **trainer},
    )
    run.fit(module, data, ckpt_path=ckpt_path)
    if saved is not None:
        run.save_checkpoint(saved)
    return [
        [[int(row) for row in line.split()] for line in text.splitlines()]
        for rank in range(devices)
        for text in [module.file_of(rank).read_text()]
    ]


def assert_resumes(tmp_path: Path, hook: str, batch: int, **how: Any) -> None:
    """Saves at the given batch, starts again from the file, compares what is seen."""
    checkpoint = tmp_path / "saved.ckpt"
    whole = fit(tmp_path / "whole", callbacks=[SaveAt(checkpoint, hook, batch)], **how)
    rest = fit(tmp_path / "rest", ckpt_path=checkpoint, **how)
    assert rest == [seen[batch:] for seen in whole]
    assert all(len(seen) == 3 * N_BATCHES for seen in whole)


@pytest.mark.parametrize(
    ("workers", "batch"),
    [(0, batch) for batch in range(1, 3 * N_BATCHES)]
    + [(2, 1), (2, 3), (2, 4), (2, 6)],
)
def test_a_run_saved_after_any_batch_goes_on_with_the_next(
    tmp_path: Path, batch: int, workers: int
) -> None:
    how = {"workers": workers, "limit_val_batches": 0}  # no processes for them
    assert_resumes(tmp_path, "on_train_batch_end", batch, **how)


@pytest.mark.long("loader workers of two processes, three times")
@pytest.mark.parametrize(("workers", "batch"), [(0, 3), (0, 8), (2, 3), (2, 4)])
def test_each_of_two_processes_goes_on_with_its_own_next_batch(
    tmp_path: Path, batch: int, workers: int
) -> None:
    how = {"workers": workers, "devices": 2, "limit_val_batches": 0}
    assert_resumes(tmp_path, "on_train_batch_end", batch, **how)


@pytest.mark.parametrize("batch", [2, 4, 6, 8])
@pytest.mark.parametrize("how", [{"max_epochs": 3}, {"max_steps": 12}])
@pytest.mark.parametrize("hook", ["on_train_batch_end", "on_validation_end"])
def test_validation_does_not_move_the_place_where_a_run_goes_on(
    tmp_path: Path, hook: str, batch: int, how: dict[str, Any]
) -> None:
    assert_resumes(tmp_path, hook, batch, val_check_interval=2, **how)


@pytest.mark.parametrize("how", [{"max_epochs": 3}, {"max_steps": 12}])
@pytest.mark.parametrize("hook", ["on_train_epoch_end", "on_train_start"])
def test_a_run_saved_between_epochs_goes_on_with_the_next_epoch(
    tmp_path: Path, hook: str, how: dict[str, Any]
) -> None:
    batch = 0 if hook == "on_train_start" else 4
    assert_resumes(tmp_path, hook, batch, **how)


@pytest.mark.parametrize("batch", [1, 2, 3, 5, 8, 11])
def test_steps_that_take_several_batches_go_on_in_the_right_place(
    tmp_path: Path, batch: int
) -> None:
    assert_resumes(
        tmp_path, "on_train_batch_end", batch, step_every=3, max_steps=4, max_epochs=3
    )


@pytest.mark.parametrize(
    "save", ["on_train_batch_end", "on_train_epoch_end", "on_train_end"]
)
def test_a_finished_run_can_be_prolonged_from_the_middle_of_an_epoch(
    tmp_path: Path, save: str
) -> None:
    whole = fit(tmp_path / "whole", max_steps=12)
    checkpoint = tmp_path / "saved.ckpt"
    first = fit(
        tmp_path / "first", callbacks=[SaveAt(checkpoint, save, 6)], max_steps=6
    )
    rest = fit(tmp_path / "rest", ckpt_path=checkpoint, max_steps=12)
    assert first[0] + rest[0] == whole[0]


@pytest.mark.parametrize(
    "save", ["on_train_batch_end", "on_train_epoch_end", "on_train_end", "afterwards"]
)
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("validate", [1, 1000, 3])
def test_a_finished_run_can_be_prolonged_from_the_end_of_an_epoch(
    tmp_path: Path, save: str, workers: int, validate: int
) -> None:
    """Lightning then goes on in that epoch by a batch, if it has not validated."""
    steps = 2 * N_BATCHES
    how: dict[str, Any] = {"check_val_every_n_epoch": validate}
    if validate == 3:
        how = {"check_val_every_n_epoch": None, "val_check_interval": 3}
    whole = fit(tmp_path / "whole", max_steps=steps + N_BATCHES + 2, **how)
    checkpoint = tmp_path / "saved.ckpt"
    first = fit(
        tmp_path / "first",
        callbacks=[SaveAt(checkpoint, save, steps)],
        max_steps=steps,
        saved=checkpoint if save == "afterwards" else None,
        **how,
    )
    rest = fit(
        tmp_path / "rest",
        ckpt_path=checkpoint,
        max_steps=steps + N_BATCHES + 2,
        workers=workers,
        **how,
    )
    assert first[0] + rest[0] == whole[0]


@pytest.mark.parametrize(
    "how", [{"limit_train_batches": 3}, {"reload_dataloaders_every_n_epochs": 1}]
)
@pytest.mark.parametrize("batch", [2, 3, 4, 5])
def test_shortened_and_reloaded_epochs_resume_too(
    tmp_path: Path, batch: int, how: dict[str, Any]
) -> None:
    checkpoint = tmp_path / "saved.ckpt"
    save = SaveAt(checkpoint, "on_train_batch_end", batch)
    whole = fit(tmp_path / "whole", callbacks=[save], **how)[0]
    assert fit(tmp_path / "rest", ckpt_path=checkpoint, **how)[0] == whole[batch:]


def test_every_epoch_has_another_order_and_no_row_twice(tmp_path: Path) -> None:
    seen = fit(tmp_path / "log", max_epochs=50)[0]
    epochs = [
        [row for batch in seen[i : i + N_BATCHES] for row in batch]
        for i in range(0, len(seen), N_BATCHES)
    ]
    assert all(len(set(epoch)) == 2 * N_BATCHES for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 50
    assert set().union(*epochs) == set(range(2 * N_BATCHES + 1))


def test_the_batches_of_two_processes_join_to_those_of_one(tmp_path: Path) -> None:
    alone = fit(tmp_path / "one")[0]
    first, second = fit(tmp_path / "two", devices=2)
    assert [a + b for a, b in zip(first, second, strict=True)] == alone


def test_overfitting_sees_the_same_batches_in_every_epoch(tmp_path: Path) -> None:
    seen = fit(tmp_path / "log", overfit_batches=2)[0]
    assert seen == [[0, 1], [2, 3]] * 3


def test_a_second_run_with_the_same_data_module_starts_from_the_first_epoch(
    tmp_path: Path,
) -> None:
    data = Numbered(batch_size=2)
    logs = [tmp_path / "a", tmp_path / "b"]
    for log in logs:
        Trainer(
            **QUIET_TRAINER,
            max_epochs=2,
        ).fit(Recorder(log), data)
    first, second = (log.with_suffix(".0").read_text() for log in logs)
    assert first == second


class SaveInTheMiddleOfAStep(Callback):
    """Saves before the module has used the batch, as at an interruption."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_batch_start(self, trainer: Trainer, *args: Any) -> None:
        if args[-1] == 2:
            trainer.save_checkpoint(self.path)


def test_a_batch_that_was_fetched_but_not_used_comes_again(tmp_path: Path) -> None:
    checkpoint = tmp_path / "saved.ckpt"
    save = SaveInTheMiddleOfAStep(checkpoint)
    whole = fit(tmp_path / "whole", callbacks=[save], max_epochs=1)[0]
    again = tmp_path / "again.ckpt"
    save_again = SaveAt(again, "on_train_start", 0)
    rest = fit(
        tmp_path / "rest", ckpt_path=checkpoint, callbacks=[save_again], max_epochs=1
    )[0]
    assert rest == whole[2:]
    # a run that has not trained yet since it was resumed is still where it was
    assert torch.load(again, weights_only=True)["Numbered"] == {"epoch": 0, "batch": 2}


def test_a_checkpoint_names_the_next_batch(tmp_path: Path) -> None:
    for batch, position in [(3, (0, 3)), (4, (1, 0)), (5, (1, 1))]:
        path = tmp_path / f"{batch}.ckpt"
        fit(
            tmp_path / f"{batch}", callbacks=[SaveAt(path, "on_train_batch_end", batch)]
        )
        saved = torch.load(path, weights_only=True)["Numbered"]
        assert saved == {"epoch": position[0], "batch": position[1]}


@pytest.mark.parametrize("workers", [0, 2])
def test_the_global_random_numbers_are_left_alone(workers: int) -> None:
    data = Numbered(batch_size=2, num_workers=workers)
    data.setup("fit")
    torch.manual_seed(0)
    list(data.train_dataloader())
    assert torch.initial_seed() == 0
    assert torch.equal(
        torch.rand(1), torch.rand(1, generator=torch.Generator().manual_seed(0))
    )


def test_the_length_of_the_loader_is_that_of_a_whole_epoch() -> None:
    data = small_images()
    data.load_state_dict({"epoch": 2, "batch": 2})
    loader = data.train_dataloader()
    assert isinstance(loader, BatchLoader)
    assert len(loader) == 3
    assert len(list(loader)) == 1
    assert len(list(loader)) == 3
    assert loader.state_dict() == {}


class Slicer(Dataset[int]):
    """Says which worker process sliced a batch, or -1 in the process itself."""

    def __getitem__(self, index: Any) -> int:
        worker = get_worker_info()
        return -1 if worker is None else int(worker.id)


@pytest.mark.filterwarnings("ignore:.*use of fork.*may lead to deadlocks")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
@pytest.mark.parametrize(("workers", "slicers"), [(0, [-1] * 4), (2, [0, 1, 0, 1])])
def test_batches_are_sliced_by_as_many_workers_as_asked_for(
    workers: int, slicers: list[int]
) -> None:
    loader = BatchLoader(Slicer(), lambda *_: OrderedRows(8, 2), workers)
    assert list(loader) == slicers
