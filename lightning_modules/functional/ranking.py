"""Top-k ranking and its metrics, for many users at once."""

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lightning_modules.data_contracts.user_items import Pairs, UserItems

Score = Callable[[slice], Tensor]
"""Scores (n, m) of the n users for a slice of m items; higher is better."""
AveragePrecision = Literal["ideal", "hits"]
NAMES = ("recall", "ndcg", "hit_rate", "map", "map_cut", "mrr", "precision")


def top_items(
    score: Score,
    n_items: int,
    k: int,
    seen: Pairs | None = None,
    *,
    chunk: int | None = None,
) -> tuple[Int[Tensor, "n k"], Float[Tensor, "n k"]]:
    """The k items with the highest scores of each user, best first.

    The order of equal scores depends on the device, as with `torch.topk`; it is the
    same in every run on one machine.

    Args:
        score: Returns the scores of a slice of the items.
        n_items: Number of items.
        k: Number of items; the whole catalogue where it is smaller.
        seen: Pairs to leave out, such as those trained on.
        chunk: Items scored at a time; None scores all at once. Memory is n times this.

    Returns:
        Item numbers and their scores; where fewer than k items are left for a user,
        the rest is -1 with score minus infinity.

    >>> scores = torch.tensor([[0.1, 0.9, 0.5]])
    >>> seen = Pairs(torch.tensor([0]), torch.tensor([1]))
    >>> top_items(lambda part: scores[:, part], 3, 2, seen)[0].tolist()
    [[2, 0]]
    """
    k = min(k, n_items)
    best: tuple[Tensor, Tensor] | None = None
    for first in range(0, n_items, chunk or n_items):
        part = slice(first, min(first + (chunk or n_items), n_items))
        scores = score(part)
        if seen is not None:
            scores = _masked(scores, seen, part)
        values, items = scores.topk(min(k, scores.shape[1]))
        items = items + first
        if best is not None:
            pairs = zip(best, (values, items), strict=True)
            values, items = (torch.cat(both, 1) for both in pairs)
            values, place = values.topk(min(k, values.shape[1]))
            items = items.gather(1, place)
        best = values, items
    assert best is not None, "no items"
    return best[1].masked_fill(best[0] == -torch.inf, -1), best[0]


def _masked(scores: Tensor, seen: Pairs, part: slice) -> Tensor:
    here = (seen.items >= part.start) & (seen.items < part.stop)
    # pairs outside go to an extra column, so that no shape depends on data
    column = torch.where(here, seen.items - part.start, scores.shape[1])
    wide = torch.nn.functional.pad(scores, (0, 1))
    return wide.index_put((seen.rows, column), scores.new_tensor(-torch.inf))[:, :-1]


def hits(
    ranked: Int[Tensor, "n k"], users: Int[Tensor, " n"], relevant: UserItems
) -> Bool[Tensor, "n k"]:
    """Mask of the ranked items that are relevant; padding (-1) is not."""
    return relevant.contain(users[:, None], ranked.clamp_min(0)) & (ranked >= 0)


def ranking_metrics(
    hits: Bool[Tensor, "n k"],
    n_relevant: Int[Tensor, " n"],
    ks: Sequence[int],
    names: Iterable[str] = NAMES,
    average_precision: AveragePrecision = "ideal",
) -> dict[str, Float[Tensor, " n"]]:
    r"""Metrics of the top k of every user's ranking.

    With :math:`r_i` 1 where rank i is a hit and R the number of relevant items:

    - ``recall`` :math:`\sum_{i \le k} r_i / R`; ``precision`` the same over k;
    - ``hit_rate`` 1 if there is a hit; ``mrr`` one over the rank of the first, or 0;
    - ``ndcg`` :math:`\sum_{i \le k} r_i / \log_2(i + 1)` over the same sum for
      :math:`\min(k, R)` hits at the top;
    - ``map`` :math:`\sum_{i \le k} r_i \, \text{precision at } i` over
      :math:`\min(k, R)`, or with ``average_precision: hits`` over the number of hits,
      as torchmetrics does;
    - ``map_cut`` the same sum over R, as trec_eval's and recommenders' MAP.

    Args:
        hits: Whether each rank is a hit, at least max(ks) ranks or the whole catalogue.
        n_relevant: R of each user, at least 1.
        ks: Cut-offs. One beyond the catalogue ranks all of it, and precision still
            divides by the cut-off.
        names: Metrics to compute.
        average_precision: What ``map`` divides by.

    Returns:
        Values (n,) under names such as ``recall@10``.

    Raises:
        ValueError: If a name is unknown or a cut-off is below 1.

    >>> values = ranking_metrics(torch.tensor([[False, True]]), torch.tensor([3]), [2])
    >>> {name: round(float(value), 3) for name, value in values.items()}["recall@2"]
    0.333
    """
    names = tuple(names)
    if unknown := [name for name in names if name not in NAMES]:
        raise ValueError(
            f"There is no metric '{unknown[0]}': choose from {', '.join(NAMES)}."
        )
    if min(ks) < 1:
        raise ValueError(f"ks must be at least 1, got {min(ks)}.")
    relevance = hits.float()
    rank = torch.arange(1, hits.shape[1] + 1, device=hits.device)
    so_far, discount = relevance.cumsum(1), 1 / (rank + 1).float().log2()
    gain, ideal = (relevance * discount).cumsum(1), discount.cumsum(0)
    precision = (relevance * so_far / rank).cumsum(1)
    never = hits.shape[1] + max(ks) + 1
    first = rank.expand(hits.shape).masked_fill(~hits, never).amin(1)
    values: dict[str, Tensor] = {}
    for k in ks:
        last = min(k, hits.shape[1]) - 1
        best = n_relevant.clamp_max(last + 1)
        count = so_far[:, last]
        divisor = best if average_precision == "ideal" else count.clamp_min(1)
        metrics = {
            "recall": count / n_relevant,
            "ndcg": gain[:, last] / ideal[best - 1],
            "hit_rate": (count > 0).float(),
            "map": precision[:, last] / divisor,
            "map_cut": precision[:, last] / n_relevant,
            "mrr": (first <= k) / first,
            "precision": count / k,
        }
        values |= {f"{name}@{k}": metrics[name] for name in names}
    return values
