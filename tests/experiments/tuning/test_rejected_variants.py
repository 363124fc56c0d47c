"""Rejected variants still do what they are said to do."""

import math

import pytest
import torch

from experiments.tuning.rejected_variants import (
    DroppedCML,
    SelfTrainedWDGRL,
    SymmetricCML,
)
from lightning_modules import WDGRL, LinearClassifier, MLPCritic, MLPExtractor
from lightning_modules.adaptation.base import Features
from lightning_modules.recommendation.metric import Compared
from lightning_modules.recommendation.pairwise import PairBatch
from tests.support.adapting import Herds
from tests.support.ranking_data import planted, trainer


def test_a_liked_item_is_compared_with_all_users_who_have_not_seen_it() -> None:
    one, both = (SymmetricCML(share, dim=2, temperature=0.5) for share in (0.0, 2.0))
    g = torch.Generator().manual_seed(0)
    user, positive, negative = (torch.randn(3, 2, generator=g) for _ in range(3))
    unseen = torch.tensor([[False, True, True], [True, False, False], [False] * 3])
    allowed = torch.ones(3, 3, dtype=torch.bool)
    for model in (one, both):
        model._unseen = unseen
    owner = torch.arange(3)
    pairs = PairBatch(owner, owner, owner.expand(3, -1), allowed, owner)
    given = pairs, Compared(user, user, positive, negative), allowed
    half = 0.0
    for i in range(3):
        near = float((user[i] - positive[i]).square().sum())
        total = 1.0
        for k in range(3):
            far = float((user[k] - positive[i]).square().sum())
            total += bool(unseen[i, k]) * math.exp((1 + near - far) / 0.5)
        half += 0.5 * math.log(total) / 3
    apart = both.metric_loss(*given) - one.metric_loss(*given)
    assert float(apart) == pytest.approx(2 * half, rel=1e-5)


def test_rejected_variants_train() -> None:
    for model in (SymmetricCML(0.3, dim=2), DroppedCML(0.1, dim=2)):
        short = trainer(max_epochs=1)
        short.fit(model, planted())
        assert short.global_step > 0


def test_dropping_everything_leaves_no_distance_between_user_and_item() -> None:
    model = DroppedCML(1.0, dim=2, temperature=0.1, margin=1.0)
    user, far = torch.tensor([[0.6, 0.0]]), torch.tensor([[0.0, 10.0]])
    one, allowed = torch.zeros(1).long(), torch.ones(1, 1, dtype=torch.bool)
    pairs = PairBatch(one, one, one[None], allowed)
    loss = model.metric_loss(pairs, Compared(user, user, -user, far), allowed)
    assert float(loss) == pytest.approx(0.0, abs=1e-6)


def test_only_late_and_sure_rows_of_the_target_count_as_labelled() -> None:
    extractor, classifier = MLPExtractor((5,), (6,)), LinearClassifier(6, 3)
    networks = {"extractor": extractor, "classifier": classifier, "n_classes": 3}
    model = SelfTrainedWDGRL(0.5, 0.6, critic=MLPCritic((6,), (5,)), **networks)
    trainer(max_steps=2).fit(model, Herds())
    source, target = torch.randn(4, 6), 3 * torch.randn(50, 6)
    features = Features(source, torch.arange(4) % 3, target)
    most = classifier(target).detach().softmax(1).amax(1)
    sure = most > 0.6
    assert 0 < int(sure.sum()) < 50
    more = model.objective(features) - WDGRL.objective(model, features)
    torch.testing.assert_close(more.detach(), -most[sure].log().sum() / 50)
    model.begin = 1.5  # of a training that is over
    assert torch.equal(model.objective(features), WDGRL.objective(model, features))
