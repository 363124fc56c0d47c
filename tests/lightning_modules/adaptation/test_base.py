"""What all methods of domain adaptation share."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from datamodules import Digits
from lightning_modules import (
    CDAN,
    CORAL,
    DANN,
    MCC,
    MDD,
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
from lightning_modules.functional.adaptation import (
    class_confusion,
    coral_distance,
    joint_transport_cost,
    squared_mmd,
)
from tests.support.domains import FORKS, METHODS, Pair, fit, module, weights
from tests.support.methods import recorded
from tests.support.trainers import QUIET_TRAINER, same

NAMES = list(METHODS)
pytestmark = FORKS


def features(n: int = 8) -> Features:
    g = torch.Generator().manual_seed(2)
    source, target = torch.randn(2, n, 6, generator=g)
    return Features(source, torch.arange(n) % 2, target)


def test_each_method_descends_its_own_distance() -> None:
    h = features()
    classifier = module("mcc").classifier
    expected = {
        "mcc": class_confusion(classifier(h.target)),
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
    source, labels, target, _ = features()
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
            **QUIET_TRAINER,
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


def test_a_single_data_set_is_refused() -> None:
    with pytest.raises(ValueError, match="WDGRL takes a source and a target domain"):
        module("wdgrl").check_data(Digits())


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


def test_a_transport_of_what_diverged_says_so() -> None:
    model = module("deepjdot")
    torch.nn.init.constant_(next(model.extractor.parameters()), math.nan)
    with pytest.raises(ValueError, match=r"loss of .adapted. is NaN at step 1"):
        fit(model, Pair(), 1)


@pytest.mark.parametrize("cls", [WDGRL, DANN])
def test_what_plays_against_the_extractor_can_be_given_by_position(cls: Any) -> None:
    networks: list[nn.Module] = [MLPExtractor((2,), (6,)), LinearClassifier(6, 2)]
    assert cls(*networks, MLPCritic((6,), (4,)), 2).n_classes == 2


@pytest.mark.parametrize("key", ["ramp", "selection"])
def test_an_unknown_word_is_refused(key: str) -> None:
    networks = MLPExtractor((2,), (6,)), LinearClassifier(6, 2)
    options: dict[str, Any] = {key: "linear"}
    with pytest.raises(ValueError, match=f"{key} must be one of .*, got 'linear'"):
        SourceOnly(*networks, 2, **options)


def test_coral_compares_covariances_and_mmd_whole_distributions() -> None:
    """Closed form: a shift leaves covariances alone; doubling multiplies them by 4."""
    networks = MLPExtractor((2,), (6,)), LinearClassifier(6, 2)
    coral, mmd = CORAL(*networks, 2), MMD(*networks, 2)
    source, labels, *_ = features()
    same, shifted, doubled = (
        Features(source, labels, target) for target in (source, source + 3, 2 * source)
    )
    assert float(coral.transfer_loss(same)) == pytest.approx(0, abs=1e-12)
    assert mmd.transfer_loss(same) == 0
    assert float(coral.transfer_loss(shifted)) == pytest.approx(0, abs=1e-6)
    assert mmd.transfer_loss(shifted) > 0
    covariance = source.T.cov()
    expected = (3 * covariance).square().sum() / (4 * 6**2)
    torch.testing.assert_close(coral.transfer_loss(doubled), expected)


def test_class_confusion_reaches_the_extractor_through_the_target_alone() -> None:
    model = MCC(MLPExtractor((2,), (6,)), LinearClassifier(6, 2), 2, temperature=1.5)
    h = features()
    source, target = h.source.requires_grad_(), h.target.requires_grad_()
    loss = model.transfer_loss(h)
    torch.testing.assert_close(loss, class_confusion(model.classifier(target), 1.5))
    torch.autograd.backward(loss)
    assert source.grad is None
    assert target.grad is not None
    assert target.grad.abs().sum() > 0
    with pytest.raises(ValueError, match="temperature must be above 0, got 0"):
        MCC(MLPExtractor((2,), (6,)), LinearClassifier(6, 2), 2, temperature=0)


def test_source_only_has_no_transfer_term() -> None:
    assert module("source_only").transfer_loss(features()) is None


def domain_loss_of_cdan(model: Any, h: Features) -> Tensor:
    """By loops over rows and classes, as in the paper's eq. 3-7 (CDAN+E)."""
    total = torch.zeros(())
    for rows, truth in ((h.source, 1.0), (h.target, 0.0)):
        p = model.classifier(rows).softmax(1).detach()
        sure = [1 + math.exp(sum(float(q * q.log()) for q in row)) for row in p]
        for row, probabilities, weight in zip(rows, p, sure, strict=True):
            joined = torch.cat([q * row for q in probabilities])[None]
            score = model.adapted["discriminator"](joined)
            loss = binary_cross_entropy_with_logits(score, torch.tensor([truth]))
            total = total + loss * weight / sum(sure) / 2
    return total


def disparity_of_mdd(model: Any, h: Features) -> Tensor:
    total = torch.zeros(())
    for rows, of_source in ((h.source, True), (h.target, False)):
        for row in rows:
            predicted = int(model.classifier(row[None]).argmax())
            p = model.adapted["adversary"](row[None]).softmax(1)[0, predicted]
            loss = -4.0 * p.log() if of_source else -(1 - p).log()
            total = total + loss / len(rows)
    return total


@pytest.mark.parametrize(
    ("name", "adversary", "loss_of"),
    [
        ("cdan", "discriminator", domain_loss_of_cdan),
        ("mdd", "adversary", disparity_of_mdd),
    ],
)
def test_an_adversary_learns_what_the_extractor_unlearns(
    name: str, adversary: str, loss_of: Callable[[Any, Features], Tensor]
) -> None:
    model = module(name, transfer_weight=0.3)
    source, labels, target, _ = features()
    h = Features(source.requires_grad_(), labels, target.requires_grad_())
    loss, own = model.objective(h), loss_of(model, h)
    classes = cross_entropy(model.classifier(h.source), labels)
    torch.testing.assert_close(loss, classes + own)
    for weight in model.adapted[adversary].parameters():
        (found,) = torch.autograd.grad(loss, weight, retain_graph=True)
        (expected,) = torch.autograd.grad(own, weight, retain_graph=True)
        torch.testing.assert_close(found, expected)
    for weight in model.classifier.parameters():
        (found,) = torch.autograd.grad(loss, weight, retain_graph=True)
        (expected,) = torch.autograd.grad(classes, weight, retain_graph=True)
        torch.testing.assert_close(found, expected)
    (found,) = torch.autograd.grad(loss, target, retain_graph=True)
    (away,) = torch.autograd.grad(own, target, retain_graph=True)
    torch.testing.assert_close(found, -0.3 * away)


def test_cdan_without_entropy_weights_all_rows_alike() -> None:
    model, h = module("cdan", entropy=False), features()
    found = recorded(model, model.objective, h)["domain_loss"]
    rows = torch.cat([h.source, h.target])
    p = model.classifier(rows).softmax(1)
    joined = (p[:, :, None] * rows[:, None]).flatten(1)
    truth = torch.tensor([1.0] * 8 + [0.0] * 8)
    expected = binary_cross_entropy_with_logits(
        model.adapted["discriminator"](joined), truth
    )
    torch.testing.assert_close(found, expected.detach())


@pytest.mark.parametrize(
    ("method", "options", "says"),
    [
        (
            CDAN,
            {"discriminator": MLPCritic((6,), (5,))},
            "The discriminator does",
        ),
        (MDD, {"adversary": LinearClassifier(5, 2)}, "The adversary does"),
        (MDD, {"adversary": LinearClassifier(6, 1)}, "The adversary does"),
    ],
)
def test_an_adversary_that_does_not_fit_is_refused_before_training(
    method: Any, options: dict[str, Any], says: str
) -> None:
    networks = MLPExtractor((2,), (6,)), LinearClassifier(6, 2)
    model = method(*networks, n_classes=2, **options)
    with pytest.raises(ValueError, match=says):
        model.check_data(Pair())


def test_a_margin_of_0_is_refused() -> None:
    with pytest.raises(ValueError, match="margin must be above 0, got 0"):
        module("mdd", margin=0)


def test_the_logged_values_are_the_losses_without_their_weights() -> None:
    h = features()
    rows, truth = torch.cat([h.source, h.target]), torch.tensor([1.0] * 8 + [0.0] * 8)
    for name in NAMES:
        model = module(name, transfer_weight=0.5)
        if name == "wdgrl":
            continue
        found = recorded(model, model.objective, h)
        logits = model.classifier(h.source)
        classes = -logits.log_softmax(1)[range(8), h.labels].mean()
        expected = {"classification_loss": classes}
        if name == "dann":
            scores = model.adapted["discriminator"](rows)
            domain = binary_cross_entropy_with_logits(scores, truth)
            expected["domain_loss"] = domain
        if name == "cdan":
            expected["domain_loss"] = domain_loss_of_cdan(model, h)
        if name == "mdd":
            expected["disparity"] = disparity_of_mdd(model, h)
        if name == "mmd":
            expected["mmd"] = squared_mmd(h.source, h.target)
        if name == "coral":
            expected["coral"] = coral_distance(h.source, h.target)
        if name == "mcc":
            confusion = class_confusion(model.classifier(h.target))
            expected["class_confusion"] = confusion
        if name == "deepjdot":
            expected["transport_cost"] = joint_transport_cost(
                h.source,
                h.labels,
                h.target,
                model.classifier(h.target),
                feature_weight=0.001,
                label_weight=0.0001,
            )
        detached = {key: value.detach() for key, value in expected.items()}
        torch.testing.assert_close(found, detached)


def test_a_single_class_is_refused() -> None:
    with pytest.raises(ValueError, match="n_classes must be at least 2, got 1"):
        SourceOnly(MLPExtractor((2,), (6,)), LinearClassifier(6, 1), 1)
