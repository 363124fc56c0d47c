"""What all methods of domain adaptation share."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from datamodules import Digits
from datamodules.adaptation.base import Domains
from datamodules.core.tensor_dataset import LabelledRows
from lightning_modules import (
    DANN,
    MMD,
    WDGRL,
    DeepJDOT,
    LinearClassifier,
    MLPCritic,
    MLPExtractor,
    SourceOnly,
)
from lightning_modules.adaptation.base import AdaptationModule, Features
from lightning_modules.core.random import RandomStream
from lightning_modules.data_contracts.sparse_rows import SparseRows
from lightning_modules.functional.adaptation import (
    coral_distance,
    joint_transport_cost,
    squared_mmd,
)
from lightning_modules.metrics import ProxyADistance
from tests.support.domains import METHODS, Pair, fit, module, weights

NAMES = list(METHODS)
pytestmark = [
    # the forked children start no threads of their own before they train
    pytest.mark.filterwarnings("ignore:.*use of fork.*may lead to deadlocks"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded"),
    # DDP copies such a gradient instead of keeping it where it is
    pytest.mark.filterwarnings("ignore:Grad strides do not match"),
]


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[key], other[key]) for key in one)


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


def features(n: int = 8) -> Features:
    g = torch.Generator().manual_seed(2)
    source, target = torch.randn(2, n, 6, generator=g)
    return Features(source, torch.arange(n) % 2, target)


def test_each_method_descends_its_own_distance() -> None:
    h = features()
    expected = {
        "mmd": squared_mmd(h.source, h.target),
        "coral": coral_distance(h.source, h.target),
    }
    for name, value in expected.items():
        model = module(name, transfer_weight=0.5)
        classes = cross_entropy(model.classifier(h.source), h.labels)
        found = model.objective(h)
        torch.testing.assert_close(found, classes + 0.5 * value)
    model = module("deepjdot", feature_weight=0.2, label_weight=0.3)
    cost = joint_transport_cost(
        h.source,
        h.labels,
        h.target,
        model.classifier(h.target),
        feature_weight=0.2,
        label_weight=0.3,
    )
    classes = cross_entropy(model.classifier(h.source), h.labels)
    torch.testing.assert_close(model.objective(h), classes + cost)


def test_dann_teaches_the_discriminator_and_untrains_the_extractor() -> None:
    model = module("dann", transfer_weight=0.3)
    source, labels, target = features()
    source.requires_grad_()
    loss = model.objective(Features(source, labels, target))
    discriminator = model.adapted["discriminator"]
    logits = discriminator(torch.cat([source, target]))
    truth = torch.tensor([1.0] * 8 + [0.0] * 8)
    domain = binary_cross_entropy_with_logits(logits, truth)
    classes = cross_entropy(model.classifier(source), labels)
    torch.testing.assert_close(loss, classes + domain)
    for own in discriminator.parameters():
        (found,) = torch.autograd.grad(loss, own, retain_graph=True)
        (expected,) = torch.autograd.grad(domain, own, retain_graph=True)
        torch.testing.assert_close(found, expected)
    (found,) = torch.autograd.grad(loss, source)
    (away,) = torch.autograd.grad(domain, source)
    (towards,) = torch.autograd.grad(classes, source)
    torch.testing.assert_close(found, towards - 0.3 * away)


def test_source_only_never_computes_what_it_does_not_use() -> None:
    model, rows = module("source_only"), []
    model.extractor.register_forward_hook(
        lambda network, x, _: rows.append(len(x[0])) if network.training else None
    )
    fit(model, Pair(), 2)
    assert rows == [8, 8]


@pytest.mark.parametrize("name", NAMES)
def test_global_step_counts_player_updates(name: str) -> None:
    trainer = fit(module(name), Pair(), 7)
    assert trainer.global_step == 7
    assert trainer.fit_loop.epoch_loop.total_batch_idx == 6


def test_a_ramp_rises_along_a_sigmoid_to_the_whole_weight() -> None:
    model, seen = module("dann", ramp="sigmoid", transfer_weight=2.0), []
    original = model.current_transfer_weight

    def weight() -> float:
        seen.append(original())
        return seen[-1]

    model.current_transfer_weight = weight  # type: ignore[method-assign]
    fit(model, Pair(), 10)
    expected = [2 * (2 / (1 + math.exp(-10 * t / 10)) - 1) for t in range(10)]
    assert seen[0] == 0
    assert sorted(set(seen)) == pytest.approx(expected)
    with pytest.raises(
        ValueError, match=r"ramp 'sigmoid' rises until trainer\.max_steps"
    ):
        fit(module("dann", ramp="sigmoid"), Pair(), -1, max_epochs=1)


def test_weight_decay_spares_biases_and_the_critic() -> None:
    model = module("wdgrl", weight_decay=0.5)
    groups = model.learners()[-1].optimizers[0].parameters
    assert isinstance(groups, list)
    decays = {id(w): g["weight_decay"] for g in groups for w in g["params"]}
    for weight in model.adapted.parameters():
        assert decays[id(weight)] == (0.5 if weight.ndim > 1 else 0.0)
    critic = model.learners()[0].optimizers[0].parameters
    assert list(critic) == list(model.get_submodule("critic").parameters())


@pytest.mark.parametrize("name", NAMES)
def test_two_processes_equal_one_on_the_joined_batch(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Joined(RandomStream):
        def __init__(self) -> None:
            self.parts = [RandomStream(7, rank, "train") for rank in (0, 1)]

        def uniform(self, *shape: int) -> Tensor:
            return torch.cat([part.uniform(shape[0] // 2) for part in self.parts])

    together, single = module(name), module(name)
    torch.manual_seed(7)
    fit(together, Pair(batch_size=4), 10, devices=2, strategy="ddp_fork")
    start = single.on_fit_start

    def on_fit_start() -> None:
        start()
        single.noise = Joined()

    monkeypatch.setattr(single, "on_fit_start", on_fit_start)
    torch.manual_seed(7)
    fit(single, Pair(batch_size=8), 10)
    untrained = weights(module(name))
    for key, value in single.state_dict().items():
        if key == "critic.layers.3.bias":
            continue  # it cancels in the loss; its gradient is rounding noise
        assert (value - together.state_dict()[key]).abs().max() <= 1e-5
        assert not torch.equal(value, untrained[key])


@pytest.mark.parametrize("name", NAMES)
def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(
    name: str, tmp_path: Path
) -> None:
    def run(steps: int, **options: Any) -> AdaptationModule:
        model = module(name)
        torch.manual_seed(3)
        trainer = Trainer(
            accelerator="cpu",
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
            max_epochs=-1,
            max_steps=steps,
            val_check_interval=2,
            check_val_every_n_epoch=None,
            num_sanity_val_steps=0,
        )
        trainer.fit(model, Pair(), **options)
        trainer.save_checkpoint(tmp_path / f"{steps}.ckpt")
        return model

    whole = run(9)
    run(4)  # in the middle of an epoch of 5
    again = run(9, ckpt_path=tmp_path / "4.ckpt", weights_only=True)
    assert same(weights(whole), weights(again))
    assert whole.evaluator.scores.summary == again.evaluator.scores.summary


@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_alone_builds_the_module_again(name: str, tmp_path: Path) -> None:
    model = module(name, transfer_weight=0.25)
    fit(model, Pair(), 3).save_checkpoint(tmp_path / "x.ckpt")
    cls = type(model)
    again = cls.load_from_checkpoint(tmp_path / "x.ckpt")
    assert same(weights(model), weights(again))
    assert again.transfer_weight == 0.25


def test_predictions_are_probabilities_of_the_targets_rows() -> None:
    model, data = module("source_only"), Pair()
    trainer = fit(model, data, 2)
    parts = trainer.predict(model, data)
    assert parts is not None
    found = torch.cat(parts)  # type: ignore[arg-type]
    expected = model(data.domains.target_test.x).softmax(1)
    torch.testing.assert_close(found, expected.detach())


def test_the_summary_tells_last_selected_and_oracle_apart() -> None:
    scores = module("source_only").evaluator.scores
    summaries = [
        scores.remember({"target_accuracy": accuracy, "target_im": im})
        for accuracy, im in ((0.5, 0.1), (0.9, 0.0), (0.7, 0.3), (0.6, 0.2))
    ]
    keys = [f"target_accuracy_{kind}" for kind in ("last", "selected", "oracle")]
    found = [tuple(one[key] for key in keys) for one in summaries]
    assert found == [(0.5, 0.5, 0.5), (0.9, 0.5, 0.9), (0.7, 0.7, 0.9), (0.6, 0.7, 0.9)]


@pytest.mark.parametrize("n", [1, 3])
def test_the_proxy_distance_makes_do_with_few_rows(n: int) -> None:
    metric = ProxyADistance()
    x = torch.arange(float(n)).reshape(n, 1)
    metric.update(x, real=True)
    metric.update(x + 100, real=False)
    found = float(metric.compute())
    assert math.isnan(found) if n == 1 else found == 2


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


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"num_classes": 3}, "model.n_classes is 2, but the data has 3 classes"),
    ],
)
def test_data_that_does_not_fit_is_refused(change: dict[str, Any], says: str) -> None:
    data = Pair()
    for key, value in change.items():
        setattr(data, key, value)
    with pytest.raises(ValueError, match=says):
        fit(module("source_only"), data, 1)


def test_a_single_data_set_is_refused() -> None:
    with pytest.raises(ValueError, match="WDGRL takes a source and a target domain"):
        module("wdgrl").check_data(Digits())


@pytest.mark.parametrize(
    ("networks", "says"),
    [
        (
            (nn.Linear(5, 6), LinearClassifier(6, 2)),
            r"extractor does not accept samples of shape \[2\]: make the shape of",
        ),
        (
            (MLPExtractor((2,), (6,)), LinearClassifier(7, 2)),
            r"classifier does not accept features of shape \[6\]: make the shape of",
        ),
    ],
)
def test_networks_that_do_not_fit_are_refused(
    networks: tuple[nn.Module, nn.Module], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        fit(SourceOnly(*networks, 2), Pair(), 1)


class SparsePair(Pair):
    """The same rows without their zeros."""

    def read(self) -> Domains:
        found = super().read()
        assert isinstance(found.source.x, Tensor)
        assert isinstance(found.target, Tensor)
        x = SparseRows.from_dense(found.source.x)
        source = LabelledRows(x, found.source.y)
        return replace(found, source=source, target=SparseRows.from_dense(found.target))


def test_a_network_for_dense_rows_is_refused_for_sparse_ones() -> None:
    dense = nn.Sequential(nn.Linear(2, 6))
    with pytest.raises(ValueError, match="The extractor does not accept samples"):
        SourceOnly(dense, LinearClassifier(6, 2), 2).check_data(SparsePair())


@pytest.mark.parametrize("width", [0.0, math.nan])
def test_a_kernel_without_a_width_is_refused_at_once(width: float) -> None:
    with pytest.raises(ValueError, match=rf"must be positive, got \[1.0, {width}\]"):
        MMD(MLPExtractor((2,), (6,)), LinearClassifier(6, 2), 2, widths=(1.0, width))


@pytest.mark.parametrize("key", ["feature_weight", "label_weight"])
def test_a_weight_of_the_transport_that_is_no_number_is_refused(key: str) -> None:
    networks = MLPExtractor((2,), (6,)), LinearClassifier(6, 2)
    settings: dict[str, Any] = {key: math.nan}
    with pytest.raises(ValueError, match=f"{key} must be .* got nan"):
        DeepJDOT(*networks, 2, **settings)


@pytest.mark.parametrize(
    ("name", "options"), [("coral", {}), ("mmd", {"unbiased": True})]
)
def test_batches_of_a_row_are_refused_where_they_have_no_distance(
    name: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match=r"data\.batch_size is 1, .* to 2 or mor"):
        fit(module(name, **options), Pair(batch_size=1), 1)
    fit(module(name, **options), Pair(batch_size=2), 1)
    fit(module(name, **options, transfer_weight=0.0), Pair(batch_size=1), 1)
    # the rows of all processes count: here the second one's are only missing
    monkeypatch.setattr(Trainer, "world_size", 2)
    with pytest.raises(ValueError, match="needs at least two rows of each domain"):
        fit(module(name, **options), Pair(batch_size=1), 1)


@pytest.mark.parametrize("name", ["dann", "deepjdot", "mmd", "source_only", "wdgrl"])
def test_batches_of_a_row_train_the_others(name: str) -> None:
    fit(module(name), Pair(batch_size=1), 1)


def test_a_transport_of_what_diverged_says_so() -> None:
    model = module("deepjdot")
    torch.nn.init.constant_(next(model.extractor.parameters()), math.nan)
    with pytest.raises(ValueError, match="has training diverged"):
        fit(model, Pair(), 1)


def test_a_classifier_of_other_classes_is_refused() -> None:
    model = SourceOnly(MLPExtractor((2,), (6,)), LinearClassifier(6, 3), 2)
    with pytest.raises(ValueError, match="set its n_classes to 2"):
        model.check_data(Pair())


@pytest.mark.parametrize("cls", [WDGRL, DANN])
def test_what_plays_against_the_extractor_can_be_given_by_position(cls: Any) -> None:
    networks: list[nn.Module] = [MLPExtractor((2,), (6,)), LinearClassifier(6, 2)]
    assert cls(*networks, MLPCritic((6,), (4,)), 2).n_classes == 2


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (
            WDGRL(
                MLPExtractor((2,), (6,)),
                LinearClassifier(6, 2),
                MLPCritic((5,), (4,)),
                2,
            ),
            r"The critic does not accept features of shape \[6\]",
        ),
        (
            DANN(MLPExtractor((2,), (6,)), LinearClassifier(6, 2), nn.Linear(6, 1), 2),
            r"The discriminator gives scores of shape \[2, 1\]",
        ),
    ],
)
def test_a_critic_that_the_features_do_not_fit_is_refused(
    model: AdaptationModule, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        model.check_data(Pair())


@pytest.mark.parametrize("key", ["ramp", "selection"])
def test_an_unknown_word_is_refused(key: str) -> None:
    networks = MLPExtractor((2,), (6,)), LinearClassifier(6, 2)
    options: dict[str, Any] = {key: "linear"}
    with pytest.raises(ValueError, match=f"{key} must be one of .*, got 'linear'"):
        SourceOnly(*networks, 2, **options)


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
        logger=False,
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
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
