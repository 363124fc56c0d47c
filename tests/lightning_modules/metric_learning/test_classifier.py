import math
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from datamodules import MNIST, Digits
from lightning_modules import Classifier, ConvClassifier
from lightning_modules.core.random import RandomStream
from lightning_modules.metric_learning.classifier import shifted
from lightning_modules.optim.schedules import one_cycle
from tests.support.games import keep_batches
from tests.support.methods import recorded
from tests.support.trainers import QUIET_TRAINER, MetricsFile

X = torch.arange(24.0).reshape(2, 1, 3, 4)


def trainer(**kwargs: Any) -> pl.Trainer:
    settings: dict[str, Any] = {
        **QUIET_TRAINER,
        "devices": 1,
        "max_epochs": 1,
        "num_sanity_val_steps": 0,
    }
    return pl.Trainer(**(settings | kwargs))


def classifier(seed: int = 0, **kwargs: Any) -> Classifier:
    torch.manual_seed(seed)
    return Classifier(ConvClassifier((1, 8, 8)), **kwargs)


def test_it_learns_held_out_digits_in_seconds() -> None:
    pl.seed_everything(0, verbose=False)
    run = trainer(max_epochs=20, check_val_every_n_epoch=20)
    run.fit(classifier(shift=1), datamodule=Digits())
    assert run.callback_metrics["val/accuracy"] > 0.97


@pytest.mark.slow
@pytest.mark.data
def test_it_reaches_99_percent_on_the_test_set_of_mnist(real_data: Path) -> None:
    pl.seed_everything(0, verbose=False)
    module = Classifier(ConvClassifier((1, 28, 28)))
    data = MNIST(str(real_data / "mnist"), batch_size=128)
    run = trainer(max_epochs=5)
    run.fit(module, datamodule=data)
    run.test(module, datamodule=data, verbose=False)
    assert run.callback_metrics["test/accuracy"] >= 0.99


class KnownLogits(nn.Module):
    """Logits that are the first pixels: accuracy and loss are known."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)[:, :10] * self.scale

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(3.0))


@pytest.mark.parametrize("stage", ["val", "test"])
def test_accuracy_and_loss_are_those_of_the_whole_set(stage: str) -> None:
    """898 samples make a last batch of another size than the others."""
    run, data = trainer(), Digits()
    module = Classifier(KnownLogits())
    evaluate = run.validate if stage == "val" else run.test
    evaluate(module, datamodule=data, verbose=False)
    logits, y = KnownLogits()(data.real(stage)).detach(), data.val_set.y  # type: ignore[arg-type]
    expected = {
        f"{stage}/accuracy": float((logits.argmax(1) == y).float().mean()),
        f"{stage}/loss": float(F.cross_entropy(logits, y)),
    }
    found = {name: float(run.callback_metrics[name]) for name in expected}
    assert found == pytest.approx(expected)


@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_two_processes_measure_what_one_measures(tmp_path: Path) -> None:
    found = []
    for devices in (1, 2):
        strategy = "ddp_fork" if devices == 2 else "auto"
        file = MetricsFile(tmp_path / "found.pt", "test/accuracy", "test/loss")
        run = trainer(devices=devices, strategy=strategy, callbacks=[file])
        run.test(Classifier(KnownLogits()), datamodule=Digits(), verbose=False)
        found.append(torch.load(tmp_path / "found.pt", weights_only=True))
    assert found[0] == pytest.approx(found[1])


class Rates(pl.Callback):
    """Learning rate of every step."""

    def __init__(self) -> None:
        self.rates: list[float] = []

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])


def test_the_learning_rate_follows_the_cycle_of_the_whole_run() -> None:
    rates = Rates()
    run = trainer(max_epochs=2, limit_train_batches=10, callbacks=[rates])
    run.fit(classifier(), datamodule=Digits())
    expected = [5e-3 * one_cycle((step + 0.5) / 20) for step in range(20)]
    assert rates.rates == pytest.approx(expected)
    assert max(rates.rates) > 0.9 * 5e-3


def test_a_run_of_unknown_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"set trainer\.max_epochs or trainer\.max_st"):
        trainer(max_epochs=-1).fit(classifier(), datamodule=Digits())


def test_the_cycle_peaks_at_a_quarter_and_has_half_its_height_on_average() -> None:
    heights = [one_cycle(i / 1000) for i in range(1001)]
    assert heights.index(max(heights)) == 250
    assert max(heights) == 1.0
    assert sum(heights) / 1001 == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("down", [-1, 0, 2])
@pytest.mark.parametrize("right", [-2, 0, 1])
def test_a_shift_moves_pixels_and_repeats_the_border(down: int, right: int) -> None:
    padded = F.pad(X, (2, 2, 2, 2), mode="replicate")
    expected = padded[:, :, 2 - down : 5 - down, 2 - right : 6 - right]
    found = shifted(X, torch.tensor([down] * 2), torch.tensor([right] * 2))
    assert found.equal(expected)


def test_every_image_has_its_own_shift() -> None:
    found = shifted(X, torch.tensor([0, 1]), torch.tensor([0, 0]))
    assert found[0].equal(X[0])
    assert found[1, 0, 1:].equal(X[1, 0, :-1])


class SeenShifts(nn.Module):
    """Keeps where the bright pixel of each image went."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.seen: list[tuple[int, int]] = []

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.seen += [divmod(int(i), 8) for i in x.flatten(1).argmax(1)]
        return x.flatten(1)[:, :10] * self.weight


class OnePixel:
    """Images whose centre pixel is bright."""

    def __len__(self) -> int:
        return 10

    def __iter__(self) -> Any:
        for _ in range(10):
            x = torch.full((64, 1, 8, 8), -1.0)
            x[:, 0, 4, 4] = 1.0
            yield x, torch.zeros(64).long()


def test_training_images_move_to_every_place_in_reach_equally_often() -> None:
    network = SeenShifts()
    pl.seed_everything(0, verbose=False)
    trainer(max_epochs=2).fit(Classifier(network, shift=1), OnePixel(), OnePixel())
    places = {place: network.seen.count(place) for place in set(network.seen)}
    assert set(places) == {(r, c) for r in (3, 4, 5) for c in (3, 4, 5)}
    # 1,280 draws, 9 places: 142 each, 4 deviations of 11
    assert all(math.isclose(count, 142, abs_tol=45) for count in places.values())


def test_without_shift_training_sees_the_images_as_they_are() -> None:
    network = SeenShifts()
    trainer().fit(Classifier(network, shift=0), OnePixel(), OnePixel())
    assert set(network.seen) == {(4, 4)}


def test_it_resumes_bit_for_bit(tmp_path: Path) -> None:
    """Shifts and learning rate go on where the checkpoint stopped."""
    pl.seed_everything(0, verbose=False)
    whole = classifier(shift=1)
    trainer(max_epochs=2).fit(whole, datamodule=Digits())
    pl.seed_everything(0, verbose=False)
    first = trainer(max_epochs=2, callbacks=[SaveAfterFirst(tmp_path)])
    first.fit(classifier(shift=1), datamodule=Digits())
    second = classifier(seed=5, shift=1)
    trainer(max_epochs=2).fit(
        second, datamodule=Digits(), ckpt_path=tmp_path / "a.ckpt", weights_only=True
    )
    for name, value in whole.state_dict().items():
        assert value.equal(second.state_dict()[name]), name


class SaveAfterFirst(pl.Callback):
    """Stops after the first epoch with a checkpoint."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "a.ckpt"

    def on_train_epoch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.current_epoch == 0:
            trainer.save_checkpoint(self.path)


# Lightning's own way of building a module from its checkpoint.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_it_loads_from_its_checkpoint_alone(tmp_path: Path) -> None:
    run, module = trainer(), classifier(n_classes=10, shift=1)
    run.fit(module, datamodule=Digits())
    run.save_checkpoint(tmp_path / "a.ckpt")
    loaded = Classifier.load_from_checkpoint(tmp_path / "a.ckpt").eval()
    x = torch.randn(3, 1, 8, 8)
    torch.testing.assert_close(loaded(x), module.eval()(x))
    assert loaded.shift == 1


def test_it_names_what_its_checkpoints_are_chosen_by() -> None:
    run = trainer()
    run.fit(classifier(), datamodule=Digits())
    assert Classifier.monitor in run.callback_metrics
    assert Classifier.mode == "max"


@pytest.mark.parametrize("key", ["shift", "n_classes"])
def test_bad_arguments_are_named(key: str) -> None:
    with pytest.raises(ValueError, match=key):
        classifier(**{key: -1})


def test_predicting_is_refused_with_the_reason() -> None:
    with pytest.raises(ValueError, match="predict is not supported"):
        classifier().predict_step(torch.arange(3), 0)


@pytest.mark.parametrize("clip_norm", [None, 1e-2])
def test_training_is_bit_for_bit_a_plain_loop(clip_norm: float | None) -> None:
    module, plain = (classifier(shift=1, clip_norm=clip_norm) for _ in range(2))
    batches: list[tuple[Tensor, Tensor]] = []
    keep_batches(module, batches)
    pl.seed_everything(0, verbose=False)
    run = trainer(max_steps=4, limit_val_batches=0)
    run.fit(module, datamodule=Digits(batch_size=16))
    assert run.global_step == 4
    plain.noise = RandomStream(0, 0, "train")
    weights = list(plain.parameters())
    optimizer = torch.optim.AdamW(weights, lr=5e-3)
    for i, (x, y) in enumerate(batches):
        optimizer.param_groups[0]["lr"] = 5e-3 * one_cycle((i + 0.5) / 4)
        down, right = (plain.noise.uniform(2, len(x)) * 3).long() - 1
        loss = F.cross_entropy(plain(shifted(x, down, right)), y)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if clip_norm is not None:
            norm = nn.utils.clip_grad_norm_(weights, clip_norm)
            assert norm > clip_norm
        optimizer.step()
    for one, other in zip(module.parameters(), weights, strict=True):
        assert torch.equal(one, other)


def test_the_logged_loss_is_the_cross_entropy() -> None:
    module, x = classifier(shift=0), torch.rand(5, 1, 8, 8)
    y = torch.tensor([3, 1, 4, 1, 5])
    found = recorded(module, module.objective, (x, y))
    expected = -module(x).detach().log_softmax(1)[range(5), y].mean()
    torch.testing.assert_close(found, {"loss": expected})
