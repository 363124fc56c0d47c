"""Whole catalogues are ranked, for the data that was trained on alone."""

import inspect
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping

import lightning_modules
from lightning_modules.recommendation.cml import CML
from lightning_modules.recommendation.popularity import Popularity
from lightning_modules.recommendation.smooth_cml import SmoothCML
from tests.support.ranking_data import (
    Given,
    featured,
    fitted,
    matrices,
    planted,
    points,
    trained,
    trainer,
)


def test_numbers_of_items_keep_their_type() -> None:
    data = Given(*matrices())
    run = fitted(Popularity(ks=(3,)), data)
    model: Any = run.lightning_module
    items, scores = model.evaluator.rank(torch.arange(2), 3)
    assert (items.dtype, scores.dtype) == (torch.int64, torch.float32)
    assert np.isfinite(scores.numpy()).all()


def test_evaluation_ranks_all_items_but_those_seen() -> None:
    model, given = CML(dim=3, ks=(5,), item_chunk=7), planted()
    run = trained(model, 20, given)
    (found, *_) = run.test(model, given, verbose=False)
    users, items = points(model)
    recalls: list[float] = []
    shown: list[int] = []
    popular: list[float] = []
    for i in range(30):
        one = torch.tensor([i])
        seen, wanted = (
            given.interactions("seen").of(one).items,
            given.interactions("test").of(one).items,
        )
        apart = (users[i] - items).norm(dim=1)
        apart[seen] = math.inf
        top = set(apart.argsort()[:5].tolist())
        recalls.append(len(top & set(wanted.tolist())) / len(wanted))
        shown += list(top)
        popular += [
            float((given.interactions("train").items == item).sum()) for item in top
        ]
    assert len(given.interactions("seen")) == 30 * 8
    assert found["test/coverage@5"] == pytest.approx(len(set(shown)) / 40)
    counts = torch.bincount(given.interactions("train").items, minlength=40).float()
    usual = float(counts.square().sum() / counts.sum())
    mean = sum(popular) / len(popular)
    assert found["test/popularity@5"] == pytest.approx(mean / usual, rel=1e-5)
    assert found["test/recall@5"] == pytest.approx(sum(recalls) / 30)


RANKERS = [
    value
    for value in (getattr(lightning_modules, n) for n in lightning_modules.__all__)
    if inspect.isclass(value) and hasattr(value, "scores_of")
]


@pytest.mark.parametrize("method", RANKERS)
def test_no_method_is_measured_on_a_sample_of_the_items(method: Any) -> None:
    """Recall over a sample would be higher, and favour the wrong methods."""
    assert len(RANKERS) > 8
    model, given = method(ks=(5,), item_chunk=7), planted()
    run = fitted(model, given)
    (found, *_) = run.test(model, given, verbose=False)
    given.setup("test")
    recalls = []
    for i in range(30):
        one = torch.tensor([i])
        with torch.no_grad():
            scores = model.scores(one, slice(None))[0].double()
        assert scores.shape == (40,)
        scores[given.interactions("seen").of(one).items] = -math.inf
        top = set(scores.argsort(descending=True, stable=True)[:5].tolist())
        wanted = set(given.interactions("test").of(one).items.tolist())
        recalls.append(len(top & wanted) / len(wanted))
    assert found["test/recall@5"] == pytest.approx(sum(recalls) / 30, abs=1e-6)


@pytest.mark.parametrize("method", [CML, SmoothCML])
@pytest.mark.parametrize("options", [{"feature_weight": 0.1}, {"sampling": "batch"}])
def test_cold_start_items_change_no_list_and_no_metric_of_the_others(
    method: Any, options: dict[str, Any]
) -> None:
    train, _, features = featured().given
    warm = train.any(0)
    draw = torch.rand(train.shape, generator=torch.Generator().manual_seed(2))
    assert features is not None
    test = (draw < 0.2) & ~train & warm
    part = Given(train[:, warm], test[:, warm], features[warm])
    found: list[Any] = []
    for data in (Given(train, test, features), part):
        model = method(dim=3, ks=(4,), n_negatives=8, **options)
        run = trained(model, 0, data)
        torch.nn.init.normal_(model.items.weight)  # no two items at one place
        if found:
            weights = found[0][0].state_dict()
            own = weights["items.weight"][warm]
            model.load_state_dict(weights | {"items.weight": own})
        (metrics, *_) = run.test(model, data, verbose=False)
        (offers, *_) = run.predict(model, data)  # type: ignore[misc]
        found.append((model, metrics, offers))
    (_, metrics, (items, scores)), (_, expected, (others, same)) = found
    assert 30 < warm.sum() < 40
    assert torch.equal(items, warm.nonzero().flatten()[others])
    assert torch.equal(scores, same)
    expected["test/coverage@4"] *= int(warm.sum()) / 40  # of a larger catalogue
    assert metrics == pytest.approx(expected)


def test_data_without_the_features_of_the_model_is_refused(tmp_path: Path) -> None:
    model, given = CML(dim=3, feature_weight=0.5), featured()
    trained(model, 2, given).save_checkpoint(tmp_path / "one.ckpt")
    again = CML.load_from_checkpoint(tmp_path / "one.ckpt", weights_only=True)
    train, test, _ = given.given
    with pytest.raises(ValueError, match="trained with item features"):
        trainer().test(again, Given(train, test), verbose=False)


def test_data_with_other_features_than_the_model_is_refused(tmp_path: Path) -> None:
    model, given = CML(dim=3, feature_weight=0.5), featured()
    trained(model, 2, given).save_checkpoint(tmp_path / "one.ckpt")
    train, test, features = given.given
    assert isinstance(features, torch.Tensor)
    other = Given(train, test, features[:, :3])
    again = CML.load_from_checkpoint(tmp_path / "one.ckpt", weights_only=True)
    with pytest.raises(ValueError, match=r"trained with 4 item features.* has 3: use"):
        trainer().test(again, other, verbose=False)
    fresh, path = CML(dim=3, feature_weight=0.5), tmp_path / "one.ckpt"
    with pytest.raises(ValueError, match=r"trained with 4 item features.* has 3: use"):
        trainer().predict(fresh, other, ckpt_path=path, weights_only=True)


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_a_kept_model_is_asked_in_another_precision(
    weight: float, tmp_path: Path
) -> None:
    """A checkpoint's points of items are float32 on the CPU, the model elsewhere."""
    model, given = CML(dim=3, feature_weight=weight, ks=(4,)), featured()
    trained(model, 2, given).save_checkpoint(tmp_path / "one.ckpt")
    again = CML.load_from_checkpoint(tmp_path / "one.ckpt", weights_only=True)
    run = trainer(precision="64-true")
    (first, *_) = run.predict(again, given)  # type: ignore[misc]
    assert first[1].dtype == torch.float64


def test_data_that_was_not_trained_on_is_refused(tmp_path: Path) -> None:
    model, data_of = CML(dim=3, ks=(4,)), featured()
    trained(model, 2, data_of).save_checkpoint(tmp_path / "one.ckpt")
    train, test, features = data_of.given
    moved = Given(test, train, features)
    for load in (True, False):  # before the data is known, and after
        again = CML(dim=3, ks=(4,))
        options: dict[str, Any] = {"verbose": False, "weights_only": True}
        if load:
            again = CML.load_from_checkpoint(tmp_path / "one.ckpt", weights_only=True)
        else:
            options["ckpt_path"] = tmp_path / "one.ckpt"
        with pytest.raises(ValueError, match="The training pairs of the data are not"):
            trainer().test(again, moved, **options)
    again = CML.load_from_checkpoint(tmp_path / "one.ckpt", weights_only=True)
    assert trainer().predict(again, moved) is not None


def test_a_monitor_that_is_not_measured_is_refused_before_training() -> None:
    model = CML(dim=3, ks=(5, 100))
    with pytest.raises(ValueError, match=r"'val/ndcg@20', .*: add 20 to model.ks"):
        trained(model, 1, planted(), callbacks=[EarlyStopping(monitor="val/ndcg@20")])
    with pytest.raises(ValueError, match="at least one cut-off"):
        CML(dim=3, ks=())


def test_data_of_another_size_is_refused() -> None:
    model = CML(dim=3)
    trained(model, 1)
    with pytest.raises(ValueError, match="has 30 users and 40 items, the data 31"):
        trained(model, 1, planted(n_users=31))
