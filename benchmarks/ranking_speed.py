"""Rankers beside other implementations: training steps, and evaluation.

Training: CML's steps (d = 64, U = 20, batches of 4,096 pairs) with sparse gradients and
row-wise Adagrad, beside the same model with dense gradients and torch's Adagrad, on
10^6 items and 10^5 users; and steps of the smooth hinge (d = 64, all of 20,000 items
as candidates) with all pairs of a few of 20,000 users, beside any pairs. Evaluation:
six metrics at 10 of 1,000 users and 3,706 items, beside torchmetrics' six retrieval
metrics on the same scores, and beside implicit's ranking_metrics_at_k, which computes
the scores from the same factors.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torchmetrics import retrieval

from benchmarks import ranking
from benchmarks.fitting import fit
from benchmarks.timing import Variant, alternate, timed
from lightning_modules import SmoothCML
from lightning_modules.data_contracts.user_items import Pairs, UserItems
from lightning_modules.functional.ranking import top_items
from lightning_modules.metrics.ranking import RankingMetrics
from lightning_modules.recommendation.fitted import as_csr

K = 10
KINDS = {
    "recall": retrieval.RetrievalRecall,
    "ndcg": retrieval.RetrievalNormalizedDCG,
    "hit_rate": retrieval.RetrievalHitRate,
    "map": retrieval.RetrievalMAP,
    "mrr": retrieval.RetrievalMRR,
    "precision": retrieval.RetrievalPrecision,
}


class Evaluation:
    """Users, items and their scores, as each of the evaluations takes them."""

    def __init__(self, n_users: int = 1000, n_items: int = 3706, dim: int = 64) -> None:
        g = torch.Generator().manual_seed(0)
        self.u, self.v = (torch.randn(n, dim, generator=g) for n in (n_users, n_items))
        self.users = torch.arange(n_users)
        order = torch.rand(n_users, n_items, generator=g).argsort(1)
        sizes = n_users, n_items
        rows = self.users[:, None].expand(-1, 60).flatten()
        self.train = UserItems.from_pairs(rows, order[:, :60].flatten(), *sizes)
        self.test = UserItems.from_pairs(rows, order[:, 60:120].flatten(), *sizes)
        self.scores = self.u @ self.v.T
        self.relevant = torch.zeros(sizes, dtype=torch.bool)
        self.relevant[self.test.users, self.test.items] = True

    def from_scores(self) -> dict[str, Tensor]:
        """Six metrics of this library, of scores that are given."""
        return self._ours(lambda part: self.scores[:, part], None)

    def from_factors(self) -> dict[str, Tensor]:
        """The same of scores that are computed, without the items seen in training."""
        seen = self.train.of(self.users)
        return self._ours(lambda part: self.u @ self.v[part].T, seen)

    def _ours(
        self, score: Callable[[slice], Tensor], seen: Pairs | None
    ) -> dict[str, Tensor]:
        top, _ = top_items(score, self.v.shape[0], K, seen)
        metrics = RankingMetrics((K,))
        metrics.update(top, self.users, self.test)
        values: dict[str, Tensor] = metrics.compute()
        return values

    def torchmetrics(self) -> dict[str, Tensor]:
        """Six metrics of torchmetrics."""
        index = self.users[:, None].expand_as(self.scores).flatten()
        values = {}
        for name, kind in KINDS.items():
            metric = kind(top_k=K)
            metric.update(self.scores.flatten(), self.relevant.flatten(), index)
            values[name] = metric.compute()
        return values

    def implicit(self) -> dict[str, float]:
        """Four metrics of implicit."""
        from implicit.cpu.als import AlternatingLeastSquares
        from implicit.evaluation import ranking_metrics_at_k

        model = AlternatingLeastSquares(factors=self.u.shape[1])
        model.user_factors, model.item_factors = self.u.numpy(), self.v.numpy()
        train, test = (as_csr(part) for part in (self.train, self.test))
        values: dict[str, float] = ranking_metrics_at_k(
            model, train, test, K=K, show_progress=False, num_threads=1
        )
        return values

    def check(self) -> None:
        """All compute the same."""
        theirs, ours = self.torchmetrics(), self.from_scores()
        for name in ("recall", "ndcg", "hit_rate", "mrr", "precision"):
            assert abs(float(theirs[name] - ours[f"{name}@{K}"])) < 1e-5, name
        ndcg = float(self.from_factors()[f"ndcg@{K}"])
        assert abs(self.implicit()["ndcg"] - ndcg) < 1e-5


def ranking_speed(rounds: int, steps: int = 20) -> list[dict[str, str]]:
    """Pairs trained and users evaluated per second, medians over the rounds."""
    shop = ranking.Shop(100_000, 1_000_000)
    sparse, dense = ranking.module(), ranking.module(dense=True)
    evaluation = Evaluation()
    evaluation.check()
    ours, other = (
        partial(fit, sparse, shop, 4 * steps),
        partial(fit, dense, shop, steps),
    )
    table = [_row("training: pairs", ranking.BATCH, ours, other, rounds)]
    whole, mixed = (
        partial(fit, *_smooth(by_user=by_user), n)
        for by_user, n in ((True, 4 * steps), (False, steps))
    )
    label = "training: pairs (smooth hinge)"
    table.append(_row(label, ranking.BATCH, whole, mixed, rounds))
    for name, own, theirs in (
        ("torchmetrics", evaluation.from_scores, evaluation.torchmetrics),
        ("implicit", evaluation.from_factors, evaluation.implicit),
    ):
        label, units = f"evaluation: users ({name})", len(evaluation.users)
        table.append(
            _row(label, units, partial(timed, own), partial(timed, theirs), rounds)
        )
    return table


def _smooth(by_user: bool) -> tuple[SmoothCML, ranking.Shop]:
    """A model of all items, and 10^6 pairs."""
    torch.manual_seed(0)
    model = SmoothCML(dim=ranking.DIM, n_negatives=None)
    return model, ranking.Shop(20_000, 20_000, by_user=by_user)


def _row(
    label: str, units: int, ours: Variant, other: Variant, rounds: int
) -> dict[str, str]:
    """Two implementations timed in turn, of so many units each time."""
    variants = {"ours": ours, "other": other}
    mine, theirs = alternate(variants, rounds, label).values()
    return {
        "what per second": label,
        "ours": f"{units / mine.wall:.0f}",
        "other implementation": f"{units / theirs.wall:.0f}",
        "times as fast": f"{theirs.wall / mine.wall:.2f}",
    }
