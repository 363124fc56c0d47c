"""What validation and test log of two domains, and what a run remembers."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Trainer

from datamodules.adaptation.base import Domains
from datamodules.core.tensor_dataset import LabelledRows
from lightning_modules import (
    SourceOnly,
)
from lightning_modules.adaptation.evaluation import DomainEvaluator
from lightning_modules.adaptation.scores import DomainScores
from tests.support.domains import FORKS, METHODS, Pair, fit, module, weights
from tests.support.trainers import QUIET_TRAINER, same

NAMES = list(METHODS)
pytestmark = FORKS


@pytest.mark.parametrize("name", NAMES)
def test_target_labels_reach_neither_weights_nor_selection(name: str) -> None:
    """With garbage in their place every weight and every score is the same."""
    found = []
    for garbage in (False, True):
        torch.manual_seed(1)
        model, options = module(name), {"limit_val_batches": 1.0}
        trainer = fit(
            model,
            Pair(garbage=garbage),
            10,
            **options,
            val_check_interval=5,
            check_val_every_n_epoch=None,
        )
        values = dict(trainer.callback_metrics)
        accuracies = {
            k: values.pop(k) for k in list(values) if "target_" in k and "accuracy" in k
        }
        values |= {"score": torch.tensor(model.evaluator.scores.summary["score"])}
        found.append((weights(model), values, accuracies))
    assert same(found[0][0], found[1][0])
    assert same(found[0][1], found[1][1])
    assert not same(found[0][2], found[1][2])
    assert {"val/target_entropy", "val/target_im", "val/target_snd"} <= set(found[0][1])


def test_the_summary_tells_last_selected_and_oracle_apart() -> None:
    scores = module("source_only").evaluator.scores
    summaries = [
        scores.remember({"target_accuracy": accuracy, "target_im": im})
        for accuracy, im in ((0.5, 0.1), (0.9, 0.0), (0.7, 0.3), (0.6, 0.2))
    ]
    keys = [f"target_accuracy_{kind}" for kind in ("last", "selected", "oracle")]
    found = [tuple(one[key] for key in keys) for one in summaries]
    assert found == [(0.5, 0.5, 0.5), (0.9, 0.5, 0.9), (0.7, 0.7, 0.9), (0.6, 0.7, 0.9)]


def test_a_selection_by_entropy_prefers_the_smaller() -> None:
    scores = module("source_only", selection="entropy").evaluator.scores
    scores.remember({"target_accuracy": 0.5, "target_entropy": 0.2})
    found = scores.remember({"target_accuracy": 0.9, "target_entropy": 0.4})
    assert found["target_accuracy_selected"] == 0.5


def test_validation_and_test_measure_what_plain_code_measures() -> None:
    model, data = module("source_only"), Pair()
    trainer = fit(model, data, 2, limit_val_batches=1.0)
    (found, *_) = trainer.validate(model, data, verbose=False)
    (tested, *_) = trainer.test(model, data, verbose=False)
    domains = data.domains
    for name, part in (("source", domains.source_val), ("target", domains.target_test)):
        hits = model(part.x).argmax(1) == part.y
        assert found[f"val/{name}_accuracy"] == pytest.approx(
            hits.float().mean().item()
        )
        classes = [hits[part.y == k].float().mean().item() for k in (0, 1)]
        expected = pytest.approx(sum(classes) / 2)
        assert found[f"val/{name}_class_accuracy"] == expected
        assert tested[f"test/{name}_class_accuracy"] == expected
    p = model(domains.target).softmax(1)
    entropy = -(p * p.log()).sum(1).mean().item()
    assert found["val/target_entropy"] == pytest.approx(entropy, rel=1e-5)
    shares = domains.source_val.y.bincount() / len(domains.source_val.y)
    distance = (p.mean(0) - shares).abs().sum().item() / 2
    assert found["val/share_distance"] == pytest.approx(distance, rel=1e-5)
    assert tested["test/feature_wasserstein"] > 0
    assert 0 <= tested["test/proxy_a_distance"] <= 2


class Unlabelled(Pair):
    """A target of which nobody knows the labels."""

    def read(self) -> Domains:
        found = super().read()
        unknown = torch.full_like(found.target_test.y, -1)
        return replace(found, target_test=LabelledRows(found.target_test.x, unknown))


def test_without_target_labels_there_are_scores_and_no_accuracy() -> None:
    model, data = module("source_only"), Unlabelled()
    trainer = fit(model, data, 2, limit_val_batches=1.0)
    (found, *_) = trainer.validate(model, data, verbose=False)
    assert "val/target_im" in found
    assert not any("target" in key and "accuracy" in key for key in found)


EVALUATED = {"limit_val_batches": 1.0, "val_check_interval": 2}


@pytest.mark.parametrize("evaluate", ["validate", "test"])
def test_a_module_that_was_evaluated_can_be_trained(evaluate: str) -> None:
    model = module("source_only")
    evaluating = Trainer(logger=False, accelerator="cpu", enable_progress_bar=False)
    getattr(evaluating, evaluate)(model, Pair(), verbose=False)
    trainer = fit(model, Pair(), 4, **EVALUATED)
    assert 0 <= trainer.callback_metrics["val/target_accuracy_last"] <= 1


def test_an_interrupted_validation_leaves_nothing_behind() -> None:
    model = module("source_only")
    logits = torch.tensor([[9.0, 0.0]] * 50)
    model.evaluator.scores.update(1, logits, torch.ones(50).long())
    evaluating = Trainer(logger=False, accelerator="cpu", enable_progress_bar=False)
    found = [evaluating.validate(model, Pair(), verbose=False) for _ in range(2)]
    assert found[0] == found[1]


def test_the_best_of_another_run_is_not_that_of_this_one() -> None:
    model = module("source_only")
    model.evaluator.scores.summary = {"score": 9.0, "selected": 2.0, "oracle": 2.0}
    trainer = fit(model, Pair(), 4, **EVALUATED)
    assert trainer.callback_metrics["val/target_accuracy_oracle"] <= 1
    assert trainer.callback_metrics["val/target_accuracy_selected"] <= 1


def test_labelled_rows_alone_have_accuracies_and_no_scores() -> None:
    model = module("source_only")
    model.evaluator.scores.update(1, torch.tensor([[9.0, 0.0]]), torch.tensor([0]))
    found = model.evaluator.scores.compute()
    assert found.keys() == {"target_accuracy", "target_class_accuracy"}
    assert model.evaluator.scores.remember(found) == {}


def test_a_validation_outside_a_run_has_no_best() -> None:
    trainer = Trainer(logger=False, accelerator="cpu", enable_progress_bar=False)
    (one, *_) = trainer.validate(module("source_only"), Pair(), verbose=False)
    assert "val/target_accuracy" in one
    assert not any("oracle" in key for key in one)


@pytest.mark.parametrize("stage", ["validate", "test", "predict", "fit"])
def test_data_of_other_classes_than_were_learnt_is_refused(
    stage: str, tmp_path: Path
) -> None:
    fit(module("source_only"), Pair(), 2).save_checkpoint(tmp_path / "one.ckpt")
    other = Pair()
    other.class_names = ("ant", "bee")
    run = Trainer(
        **QUIET_TRAINER,
        max_steps=4,
    )
    again = {"ckpt_path": tmp_path / "one.ckpt", "weights_only": True}
    with pytest.raises(ValueError, match=r"but data.source has ant, bee: use a source"):
        getattr(run, stage)(module("source_only"), other, **again)
    if stage != "fit":
        getattr(run, stage)(module("source_only"), Pair(), **again)


def test_weights_may_be_trained_on_with_other_classes(tmp_path: Path) -> None:
    fit(module("source_only"), Pair(), 2).save_checkpoint(tmp_path / "one.ckpt")
    loaded = SourceOnly.load_from_checkpoint(tmp_path / "one.ckpt")
    other = Pair()
    other.class_names = ("ant", "bee")
    assert fit(loaded, other, 2).global_step == 2


def test_accuracies_are_shares_of_rows_and_means_over_the_classes_that_occur() -> None:
    scores = DomainScores(3, "im")
    logits = torch.eye(3)[[0, 0, 0, 1, 1]]  # classes that are predicted
    scores.update(0, logits, torch.tensor([0, 0, 1, 1, -1]))  # the last is unknown
    scores.update(1, logits[:2], torch.tensor([0, 1]))
    values = {key: float(value) for key, value in scores.compute().items()}
    assert values == pytest.approx(
        {
            "source_accuracy": 3 / 4,
            "source_class_accuracy": (1 + 1 / 2) / 2,
            "target_accuracy": 1 / 2,
            "target_class_accuracy": (1 + 0) / 2,
        }
    )


def test_distances_compare_source_and_unlabelled_target_features() -> None:
    scores, x = DomainScores(2, "im"), torch.randn(30, 2)
    for role, rows in enumerate((x, torch.full((30, 2), 99.0), x + 5)):
        scores.update_distances(role, rows)
    distance = float(scores.distances()["feature_wasserstein"])
    assert distance == pytest.approx(50**0.5, rel=1e-4)  # of a shift by (5, 5)


def test_a_checkpoint_of_an_evaluator_keeps_its_summary_and_class_names() -> None:
    evaluator, again = DomainEvaluator(2, "im"), DomainEvaluator(2, "im")
    again.load({"selection": {"oracle": 0.5}, "class_names": ["a", "b"]})
    assert (again.scores.summary, again.class_names) == ({"oracle": 0.5}, ("a", "b"))
    again.load({})
    assert again.scores.summary == evaluator.scores.summary == {}


def test_of_two_validations_with_one_score_the_first_is_selected() -> None:
    scores = DomainScores(2, "im")
    for accuracy in (0.6, 0.9):
        found = scores.remember({"target_accuracy": accuracy, "target_im": 0.5})
    assert found == {
        "target_accuracy_last": 0.9,
        "target_accuracy_selected": 0.6,
        "target_accuracy_oracle": 0.9,
    }
