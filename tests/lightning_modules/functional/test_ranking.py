"""Ranking measures: by hand, beside torchmetrics, in chunks, and at the edges."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torchmetrics.functional import retrieval

from lightning_modules.data_contracts.user_items import Pairs, UserItems
from lightning_modules.functional.ranking import (
    hits,
    ranking_metrics,
    top_items,
)

seeds = st.integers(0, 10_000)
THEIRS: dict[str, Any] = {
    "recall": retrieval.retrieval_recall,
    "ndcg": retrieval.retrieval_normalized_dcg,
    "hit_rate": retrieval.retrieval_hit_rate,
    "map": retrieval.retrieval_average_precision,
    "mrr": retrieval.retrieval_reciprocal_rank,
    "precision": retrieval.retrieval_precision,
}


def ranking(seed: int, n: int = 5, items: int = 12) -> tuple[Tensor, Tensor]:
    """Scores without ties, above 0, and which items are relevant: one at least."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.stack([torch.randperm(items, generator=generator) for _ in range(n)])
    target = torch.rand(n, items, generator=generator) < 0.3
    target[torch.arange(n), torch.randint(0, items, (n,), generator=generator)] = True
    return scores.float() + 1, target


def users_items(target: Tensor) -> UserItems:
    users, items = target.nonzero(as_tuple=True)
    return UserItems.from_pairs(users, items, *target.shape)


@given(seed=seeds, k=st.integers(1, 14))
def test_measures_are_those_of_torchmetrics(seed: int, k: int) -> None:
    scores, target = ranking(seed)
    ranked, _ = top_items(lambda part: scores[:, part], 12, k)
    found = hits(ranked, torch.arange(5), users_items(target))
    measured = ranking_metrics(found, target.sum(1), [k], average_precision="hits")
    for name in THEIRS:
        theirs = [
            float(THEIRS[name](s, t, top_k=k))
            for s, t in zip(scores, target, strict=True)
        ]
        assert measured[f"{name}@{k}"].tolist() == pytest.approx(theirs, abs=1e-6)


@given(seed=seeds)
def test_the_two_average_precisions_agree_on_the_whole_catalogue(seed: int) -> None:
    scores, target = ranking(seed)
    found = target.gather(1, scores.argsort(1, descending=True))
    one, other = (
        ranking_metrics(found, target.sum(1), [12], ["map"], how)["map@12"]
        for how in ("ideal", "hits")
    )
    torch.testing.assert_close(one, other)


def test_a_ranking_measured_by_hand() -> None:
    """Hits on ranks 1 and 3 of 4 relevant items, k = 3."""
    found = ranking_metrics(torch.tensor([[True, False, True]]), torch.tensor([4]), [3])
    dcg = 1 + 1 / math.log2(4)
    ideal = 1 + 1 / math.log2(3) + 1 / math.log2(4)
    expected = {
        "recall@3": 2 / 4,
        "precision@3": 2 / 3,
        "hit_rate@3": 1.0,
        "mrr@3": 1.0,
        "ndcg@3": dcg / ideal,
        "map@3": (1 + 2 / 3) / 3,
        "map_cut@3": (1 + 2 / 3) / 4,
    }
    assert {k: float(v) for k, v in found.items()} == pytest.approx(expected)


@pytest.mark.parametrize("rank", [1, 3, 41, 49, 1000])
def test_the_first_hit_counts_on_the_last_rank_too(rank: int) -> None:
    found = torch.arange(1, 1001)[None] == rank
    measured = ranking_metrics(found, torch.tensor([1]), [rank, rank + 1], ["mrr"])
    for value in measured.values():
        assert float(value) == pytest.approx(1 / rank)
    if rank > 1:
        below = ranking_metrics(found, torch.tensor([1]), [rank - 1], ["mrr"])
        assert float(below[f"mrr@{rank - 1}"]) == 0.0


@given(seed=seeds, k=st.integers(1, 15), chunk=st.integers(1, 13))
def test_chunks_change_nothing(seed: int, k: int, chunk: int) -> None:
    scores, target = ranking(seed)
    seen = users_items(target).of(torch.arange(5))
    whole = top_items(lambda part: scores[:, part], 12, k, seen)
    parts = top_items(lambda part: scores[:, part], 12, k, seen, chunk=chunk)
    for a, b in zip(whole, parts, strict=True):
        assert torch.equal(a, b)


def test_seen_items_are_never_ranked_and_leave_gaps_at_the_end() -> None:
    scores = torch.tensor([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]])
    before = scores.clone()
    seen = Pairs(torch.tensor([0, 0, 1]), torch.tensor([0, 2, 2]))
    ranked, values = top_items(lambda part: scores[:, part], 3, 5, seen)
    assert ranked.tolist() == [[1, -1, -1], [1, 0, -1]]
    assert values[0].tolist() == [2.0, -math.inf, -math.inf]
    assert torch.equal(scores, before)
    liked = UserItems.from_pairs(torch.tensor([0]), torch.tensor([2]), 2, 3)
    assert not hits(ranked, torch.arange(2), liked).any()


def test_what_cannot_be_measured_is_refused() -> None:
    found, n = torch.zeros(1, 3, dtype=torch.bool), torch.tensor([1])
    with pytest.raises(ValueError, match="no metric 'auc': choose from recall"):
        ranking_metrics(found, n, [1], ["auc"])
    with pytest.raises(ValueError, match="at least 1, got 0"):
        ranking_metrics(found, n, [0, 2])


def test_padding_is_no_hit_even_where_the_first_item_is_relevant() -> None:
    liked = UserItems.from_pairs(torch.tensor([0]), torch.tensor([0]), 1, 3)
    ranked = torch.tensor([[2, 0, -1]])
    assert hits(ranked, torch.tensor([0]), liked).tolist() == [[False, True, False]]


@pytest.mark.parametrize("chunk", [1, 2, 3, 4])
def test_what_was_seen_at_the_edges_of_a_chunk_is_left_out(chunk: int) -> None:
    scores = torch.arange(6.0)[None]
    for item in range(6):
        seen = Pairs(torch.tensor([0]), torch.tensor([item]))
        ranked, _ = top_items(lambda part: scores[:, part], 6, 6, seen, chunk=chunk)
        others = [one for one in range(5, -1, -1) if one != item]
        assert ranked.tolist() == [[*others, -1]]
