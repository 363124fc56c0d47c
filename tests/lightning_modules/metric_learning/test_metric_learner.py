"""A learnt metric: what it descends, what it reaches, and what it refuses."""

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from torch import Tensor
from torch.optim.lr_scheduler import StepLR

from datamodules import Digits, LabelledTable
from lightning_modules import LinearMap, MetricLearner, MLPExtractor
from lightning_modules.functional import metric_learning as F
from lightning_modules.functional.distance import manhattan, pairwise
from tests.support.games import keep_batches
from tests.support.methods import recorded
from tests.support.trainers import QUIET_TRAINER

LOSSES = ("lmnn", "triplet", "improved_triplet", "contrastive")

pytestmark = pytest.mark.filterwarnings(
    "ignore:The 'train_dataloader' does not have many workers"
)


def trainer(**options: Any) -> pl.Trainer:
    settings: dict[str, Any] = {
        **QUIET_TRAINER,
        "num_sanity_val_steps": 0,
        "limit_val_batches": 0,
        "max_epochs": -1,
    }
    return pl.Trainer(**(settings | options))


def rows(n: int = 9) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, 4, generator=generator)
    return x, torch.arange(n) % 3


def test_a_network_of_another_width_is_refused_by_the_option_that_fits_it() -> None:
    says = r"shape \[4\]: set --model.network.shape \[4\] \(.*mat1"
    with pytest.raises(ValueError, match=says):
        trainer(max_steps=1).fit(MetricLearner(LinearMap((13,))), LabelledTable("iris"))


def loss_of(module: MetricLearner) -> Tensor:
    return module.objective(rows())


def test_lmnn_is_pull_and_push_around_neighbours_before_the_map() -> None:
    x, labels = rows()
    network = LinearMap((4,), 2)
    torch.nn.init.normal_(network.weight)
    module = MetricLearner(
        network, distance="manhattan", k=2, margin=0.7, push_weight=0.3
    )
    before, after = (pairwise(manhattan, z, z) for z in (x, network(x)))
    near, real = F.target_neighbours(before, labels, 2)
    targets, different = after.gather(1, near), labels[:, None] != labels
    expected = 0.7 * F.lmnn_pull(targets) + 0.3 * F.lmnn_push(
        targets, after, different, 0.7
    )
    assert real.all()
    torch.testing.assert_close(loss_of(module), expected)


@pytest.mark.parametrize(
    ("loss", "by_hand"),
    [
        ("triplet", lambda p, n: (p - n + 2).clamp_min(0)),
        ("improved_triplet", lambda p, n: p + (p - n + 2).clamp_min(0)),
    ],
)
def test_triplets_are_the_hardest_of_the_batch(loss: Any, by_hand: Any) -> None:
    x, labels = rows()
    apart = torch.cdist(x, x)
    same = labels[:, None] == labels
    positive = apart.masked_fill(~same, 0).amax(1)
    negative = apart.masked_fill(same, 1e9).amin(1)
    found = loss_of(MetricLearner(LinearMap((4,)), loss, margin=2.0))
    torch.testing.assert_close(found, by_hand(positive, negative).mean())


def test_contrastive_pairs_are_those_of_two_rows() -> None:
    x, labels = rows()
    i, j = torch.triu_indices(len(x), len(x), 1)
    expected = F.contrastive_loss((x[i] - x[j]).norm(dim=1), labels[i] == labels[j])
    found = loss_of(MetricLearner(LinearMap((4,)), "contrastive"))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("table", ["wine", "digits"])
def test_lmnn_raises_the_accuracy_of_three_neighbours(table: str) -> None:
    """On average over splits, as learned_metrics measures on more of them."""
    gains = []
    for split in range(4):
        pl.seed_everything(0, verbose=False)
        wine = table == "wine"
        data = LabelledTable(
            table,
            split_seed=split,
            normalise="zscore" if wine else "none",
            batch_size=None if wine else 256,
        )
        network = LinearMap((13 if wine else 64,))
        module = MetricLearner(network, margin=1.0 if wine else 1000.0)
        run = trainer(max_steps=100)
        run.fit(module, data)
        (found, *_) = run.test(module, data, verbose=False)
        gains.append(found["test/knn_accuracy"] - found["test/input_knn_accuracy"])
    assert sum(gains) / len(gains) > 0.001


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_trains_any_network(loss: Any, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = MetricLearner(MLPExtractor((13,), (8, 4)), loss)
    data = LabelledTable("wine", batch_size=30)
    before = module.network.state_dict()["first.weight"].clone()
    run = trainer(max_steps=3)
    run.fit(module, data)
    after = module.network.state_dict()["first.weight"]
    assert after.isfinite().all()
    assert not torch.equal(before, after)
    run.save_checkpoint(tmp_path / "one.ckpt")
    again = MetricLearner.load_from_checkpoint(tmp_path / "one.ckpt", weights_only=True)
    x = data.real("test")
    assert torch.equal(again.eval()(x), module.eval()(x))
    points = run.predict(module, data)
    assert points is not None
    assert torch.equal(torch.cat(points), module.eval()(x))  # type: ignore[arg-type]


@pytest.mark.parametrize("loss", LOSSES)
def test_two_processes_equal_one_on_the_joined_batch(loss: Any) -> None:
    found = []
    for processes in (1, 2):
        torch.manual_seed(0)
        module = MetricLearner(LinearMap((13,)), loss)
        run = trainer(
            max_steps=3,
            devices=processes,
            strategy="ddp_fork" if processes > 1 else "auto",
            use_distributed_sampler=False,
        )
        run.fit(module, LabelledTable("wine", batch_size=40 // processes))
        found.append(module.network.state_dict()["weight"].clone())
    torch.testing.assert_close(*found, atol=1e-5, rtol=0)
    assert (found[0] - torch.eye(13)).abs().max() > 1e-3


def test_validation_says_how_near_neighbours_were_before() -> None:
    module, data = MetricLearner(LinearMap((13,))), LabelledTable("wine")
    torch.nn.init.zeros_(module.network.weight)  # type: ignore[arg-type]
    (found, *_) = trainer(limit_val_batches=1.0).validate(module, data, verbose=False)
    assert found["val/input_knn_accuracy"] > 0.9
    assert found["val/knn_accuracy"] < 0.5


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"loss": "npair"}, "loss must be one of lmnn"),
        ({"distance": "wasserstein"}, "distance must be one of euclidean"),
        ({"mining": "easy"}, "mining must be one of all"),
        ({"margin": 0.0}, "margin must be above 0"),
        ({"push_weight": 1.0}, r"push_weight must be in \(0, 1\)"),
        ({"k": 0}, "k must be at least 1"),
    ],
)
def test_what_is_out_of_range_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        MetricLearner(LinearMap((4,)), **options)


def test_data_without_reference_rows_is_refused() -> None:
    module = MetricLearner(LinearMap((64,)))
    with pytest.raises(ValueError, match="set data to LabelledTable"):
        module.check_data(Digits())


# Optimisation -------------------------------------------------------------------------


@pytest.mark.parametrize("clip_norm", [None, 1e-2])
def test_training_is_bit_for_bit_a_plain_loop(clip_norm: float | None) -> None:
    """The loss is that of the module, which other tests write out."""

    def learner() -> MetricLearner:
        torch.manual_seed(0)
        network = MLPExtractor((13,), (6, 3))
        options: dict[str, Any] = {"loss": "triplet", "clip_norm": clip_norm}
        return MetricLearner(network, scheduler=lambda o: StepLR(o, 2), **options)

    module, plain, batches = learner(), learner(), list[Any]()
    keep_batches(module, batches)
    run = trainer(max_steps=5)
    run.fit(module, LabelledTable(batch_size=40))
    assert run.global_step == 5
    weights = list(plain.parameters())
    optimizer = torch.optim.Adam(weights, lr=1e-2)
    schedule = StepLR(optimizer, 2)
    norms = []
    for batch in batches:
        optimizer.zero_grad()
        plain.objective(batch).backward()  # type: ignore[no-untyped-call]
        norms.append(torch.nn.utils.get_total_norm([w.grad for w in weights]))  # type: ignore[misc]
        if clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(weights, clip_norm)
        optimizer.step()
        schedule.step()
    assert min(norms) > 1e-2
    for one, other in zip(module.parameters(), weights, strict=True):
        assert torch.equal(one, other)


def test_the_logged_values_are_the_terms_without_their_weights() -> None:
    """Eq. 50: targets are the nearest before the map, by loops."""
    module = MetricLearner(LinearMap((4,), 2), k=2, push_weight=0.25, margin=0.5)
    x, labels = rows()
    found = recorded(module, module.objective, (x, labels))
    before, after = (torch.cdist(p, p) for p in (x, module(x).detach()))
    pull = push = 0.0
    for i, own in enumerate(labels.tolist()):
        same = [j for j, y in enumerate(labels.tolist()) if y == own and j != i]
        for j in sorted(same, key=lambda j: float(before[i, j]))[:2]:
            near = float(after[i, j]) ** 2
            pull += near / len(x)
            for far, y in zip(after[i].tolist(), labels.tolist(), strict=True):
                push += max(0.0, 0.5 + near - far**2) * (y != own) / len(x)
    assert float(found["pull"]) == pytest.approx(pull, rel=1e-4)
    assert float(found["push"]) == pytest.approx(push, rel=1e-4)
    assert float(found["loss"]) == pytest.approx(0.75 * pull + 0.25 * push, rel=1e-4)
