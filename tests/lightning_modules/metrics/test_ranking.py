"""Ranking measures as streaming metrics."""

import math

import pytest
import torch
from torch import Tensor

from lightning_modules.data_contracts.user_items import UserItems
from lightning_modules.functional.ranking import hits, ranking_metrics
from lightning_modules.metrics.ranking import Exposure, RankingMetrics


def ranked(n: int = 20, items: int = 15) -> tuple[Tensor, UserItems]:
    generator = torch.Generator().manual_seed(0)
    order = torch.stack([torch.randperm(items, generator=generator) for _ in range(n)])
    users = torch.randint(0, n // 2, (60,), generator=generator)  # the rest has none
    chosen = torch.randint(0, items, (60,), generator=generator)
    return order, UserItems.from_pairs(users, chosen, n, items)


def test_batches_add_up_to_the_mean_over_users_with_relevant_items() -> None:
    order, liked = ranked()
    metric = RankingMetrics([2, 5])
    for users in torch.split(torch.arange(20), 7):
        metric.update(order[users], users, liked)
    some = liked.counts.nonzero().flatten()
    expected = ranking_metrics(
        hits(order[some], some, liked), liked.counts[some], [2, 5]
    )
    found = metric.compute()
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        torch.testing.assert_close(found[key], values.mean())


def test_nobody_with_a_relevant_item_has_no_mean() -> None:
    order, liked = ranked()
    metric = RankingMetrics([2], ["recall"])
    metric.update(order[19:], torch.tensor([19]), liked)
    assert metric.compute()["recall@2"].isnan()


def test_a_catalogue_smaller_than_the_cut_off_is_ranked_whole() -> None:
    order, liked = ranked()
    metric = RankingMetrics([50], ["recall", "ndcg"])
    metric.update(order, torch.arange(20), liked)
    assert metric.compute()["recall@50"] == 1
    with pytest.raises(ValueError, match="only 9 items are ranked: rank at least 15"):
        metric.update(order[:, :9], torch.arange(20), liked)


def test_what_is_unknown_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="no metric 'auc'"):
        RankingMetrics([1], ["auc"])
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        Exposure(torch.ones(3), k=0)


def test_random_tops_show_what_is_as_popular_as_the_average_item() -> None:
    taken = torch.tensor([6.0, 3.0, 0.0])
    metric = Exposure(taken, k=2)
    metric.update(torch.tensor([[0, 1, 2], [1, -1, -1], [0, 2, 1]]))
    found = metric.compute()
    assert found["coverage@2"] == 1
    usual = (36 + 9) / 9  # of a pair that was trained on
    assert float(found["popularity@2"]) == pytest.approx(
        (6 + 3 + 3 + 6 + 0) / 5 / usual
    )
    # of five places two hold 6 of 9 pairs, two 3, and the last counts as one pair
    bits = 2 * math.log2(9 / 6) + 2 * math.log2(9 / 3) + math.log2(9)
    assert float(found["novelty@2"]) == pytest.approx(bits / 5)


def test_novelty_of_equally_popular_items_is_the_entropy_of_the_catalogue() -> None:
    metric = Exposure(torch.full((8,), 5.0), k=1)
    metric.update(torch.tensor([[0], [3], [3]]))
    assert float(metric.compute()["novelty@1"]) == pytest.approx(3)


def test_the_usual_cut_offs_are_10_20_and_50() -> None:
    assert RankingMetrics().ks == (10, 20, 50)
    assert Exposure(torch.ones(3)).k == 10
