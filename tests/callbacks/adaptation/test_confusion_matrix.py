from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from sklearn.metrics import confusion_matrix as reference
from torch import Tensor
from typing_extensions import override

from callbacks.adaptation import confusion_matrix as module_under_test
from callbacks.adaptation.confusion_matrix import (
    ConfusionMatrixPicture,
    confusion_matrix,
)
from datamodules import Digits
from lightning_modules import Classifier, ConvClassifier
from lightning_modules.core.alternating import evaluating
from tests.support.adapting import NAMES, Herds, Shepherd, trainer


class Seen:
    """What is drawn, and under which step."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counts: list[Tensor] = []
        self.steps: list[int] = []
        self.captions: list[str] = []
        monkeypatch.setattr(module_under_test, "confusion_matrix", self.draw)
        monkeypatch.setattr(module_under_test, "log_picture", self.log)

    def draw(self, counts: Tensor, names: tuple[str, ...], title: str) -> Any:
        assert names == NAMES
        self.counts.append(counts)
        subject, caption = title.split("\n")
        assert subject.endswith(" on Herds: meadow to stable")
        self.captions.append(caption)
        return np.zeros((1, 1, 3), np.uint8)

    def log(self, _: Any, key: str, __: Any, step: int, caption: str) -> None:
        assert key == "confusion"
        assert caption == self.captions[-1]
        self.steps.append(step)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    return Seen(monkeypatch)


def expected(module: Shepherd, data: Herds) -> np.ndarray:
    rows = data.domains.target_test
    with torch.no_grad(), evaluating(module):
        predicted = module(rows.x).argmax(1)
    known = rows.y >= 0
    found: np.ndarray = reference(rows.y[known], predicted[known], labels=range(3))
    return found


@pytest.mark.parametrize("batch_size", [3, 8, 40])
def test_the_last_validation_of_a_fit_is_drawn(batch_size: int, seen: Seen) -> None:
    module, data = Shepherd(), Herds(batch_size=batch_size, batches_per_epoch=2)
    trainer(ConfusionMatrixPicture(), max_steps=4).fit(module, datamodule=data)
    counts = expected(module, data)
    assert seen.steps == [4]
    np.testing.assert_array_equal(seen.counts[0], counts)
    right, total = np.trace(counts), counts.sum()
    assert total == (data.domains.target_test.y >= 0).sum() < 40
    share = f"{100 * right / total:.1f} %"
    sentence = f"validation, step 4: {right} of {total} correct ({share})"
    assert seen.captions == [sentence]


def test_steps_after_the_last_validation_change_nothing(seen: Seen) -> None:
    trainer(ConfusionMatrixPicture(), max_steps=5).fit(Shepherd(), datamodule=Herds())
    assert seen.steps == [3]


@pytest.mark.parametrize("stage", ["validate", "test"])
def test_an_evaluation_by_itself_is_drawn(stage: str, seen: Seen) -> None:
    module, data, run = Shepherd(), Herds(), trainer(ConfusionMatrixPicture())
    getattr(run, stage)(module, datamodule=data, verbose=False)
    what = {"validate": "validation"}.get(stage, stage)
    assert seen.captions[0].startswith(f"{what}, step 0: ")
    np.testing.assert_array_equal(seen.counts[0], expected(module, data))


def test_a_test_is_drawn_under_the_step_of_its_checkpoint(
    seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module_under_test, "steps_made", lambda _: 700)
    run = trainer(ConfusionMatrixPicture())
    run.test(Shepherd(), datamodule=Herds(), verbose=False)
    assert seen.steps == [700]


def test_a_fit_without_a_validation_draws_nothing(seen: Seen) -> None:
    """The sanity check before it is none."""
    run = trainer(ConfusionMatrixPicture(), max_steps=2, num_sanity_val_steps=1)
    run.fit(Shepherd(), datamodule=Herds())
    assert seen.counts == []


def test_a_target_without_labels_has_no_picture(seen: Seen) -> None:
    run = trainer(ConfusionMatrixPicture())
    run.test(Shepherd(), datamodule=Herds(unlabelled=True), verbose=False)
    assert seen.counts == []


def test_weights_and_random_numbers_are_the_same_without_it(seen: Seen) -> None:
    found = []
    for observers in ([], [ConfusionMatrixPicture()]):
        module = Shepherd()
        torch.manual_seed(1)
        trainer(*observers).fit(module, datamodule=Herds())
        found.append([*module.state_dict().values(), torch.rand(1)])
    assert seen.counts
    for plain, watched in zip(*found, strict=True):
        assert torch.equal(plain, watched)


class Keeper(Callback):
    """Keeps what rank 0 would draw, since forked processes take it with them."""

    def __init__(self, directory: Path, seen: Seen) -> None:
        self.path, self.seen = directory / "found.pt", seen

    @override
    def on_test_end(self, trainer: Any, pl_module: Any) -> None:
        if trainer.is_global_zero:
            torch.save(self.seen.counts, self.path)
        else:
            assert not self.seen.counts


@pytest.mark.filterwarnings("ignore:.*use of fork.*may lead to deadlocks")
@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_two_processes_count_what_one_counts(tmp_path: Path, seen: Seen) -> None:
    module, data = Shepherd(), Herds(batch_size=6)
    observers = ConfusionMatrixPicture(), Keeper(tmp_path, seen)
    run = trainer(*observers, devices=2, strategy="ddp_fork")
    run.test(module, datamodule=data, verbose=False)
    (counts,) = torch.load(tmp_path / "found.pt", weights_only=True)
    data.setup()
    np.testing.assert_array_equal(counts, expected(module, data))


def test_files_appear_where_no_logger_takes_them(tmp_path: Path) -> None:
    run = trainer(ConfusionMatrixPicture(), default_root_dir=tmp_path, max_steps=3)
    run.fit(Shepherd(), datamodule=Herds())
    assert (tmp_path / "images" / "confusion" / "3.png").exists()


# Mistakes ---------------------------------------------------------------------------


def test_data_that_is_not_two_domains_is_refused_before_training() -> None:
    model = Classifier(ConvClassifier((1, 8, 8)))
    with pytest.raises(ValueError, match=r"Picture needs data of two .*\(Digits\)"):
        trainer(ConfusionMatrixPicture()).fit(model, datamodule=Digits())
    with pytest.raises(ValueError, match="there is no data module"):
        trainer(ConfusionMatrixPicture()).validate(model, [])


@pytest.mark.parametrize("outputs", [None, {"logits": 1}, torch.zeros(3, 2)])
def test_steps_that_return_no_logits_are_refused(outputs: Any) -> None:
    class Silent(Shepherd):
        def test_step(self, *_: Any, **__: Any) -> Any:
            return outputs

    with pytest.raises(ValueError, match=r"logits of shape \(8, 3\), and those of Sil"):
        trainer(ConfusionMatrixPicture()).test(
            Silent(), datamodule=Herds(), verbose=False
        )


def test_predicting_needs_no_classes() -> None:
    run = trainer(ConfusionMatrixPicture())
    ConfusionMatrixPicture().setup(run, Shepherd(), "predict")


@pytest.mark.parametrize("k", [2, 10, 20, 65])
def test_shares_are_shades_and_rows_without_a_count_are_grey(k: int) -> None:
    counts = torch.zeros(k, k).long()
    counts[:, 0] = torch.arange(k) + 3  # all that occur are taken for class 0
    counts[1] = 0
    names = [rf"_$\oh$ {i}" for i in range(k)]
    picture = confusion_matrix(counts, names, r"$\oh$").astype(int)
    grey = (picture == 0xDD).all(axis=2)
    dark = (picture == [8, 48, 107]).all(axis=2)  # a share of 1
    light = (picture == [247, 251, 255]).all(axis=2)  # a share of 0
    cell = grey.sum() / k  # pixels
    assert dark.sum() == pytest.approx((k - 1) * cell, rel=0.15)
    assert light.sum() == pytest.approx((k - 1) * (k - 1) * cell, rel=0.15)
