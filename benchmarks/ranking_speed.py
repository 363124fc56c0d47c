"""How fast rankers are trained and evaluated, beside the usual ways.

    python -m benchmarks.ranking_speed

Training: CML's steps (d = 64, U = 20, batches of 4,096 pairs) with sparse gradients and
row-wise Adagrad, beside the same model with dense gradients and torch's Adagrad, on
10^6 items and 10^5 users. Evaluation: seven measures at 10 of 1,000 users and 3,706
items, beside torchmetrics' six retrieval metrics on the same scores, and beside
implicit's ranking_metrics_at_k, which computes the scores from the same factors. All in
turn, several rounds, one thread. Writes docs/results/ranking_speed.csv: medians.
"""

import argparse
import logging
import statistics
import time
import warnings
from collections.abc import Callable, Sequence

import torch
from lightning.pytorch import Trainer, seed_everything
from torch import Tensor
from torchmetrics import retrieval

from benchmarks.wdgrl_speed import Clock
from callbacks import write_whole
from datamodules.recommendation.base import InteractionData, SplitPairs
from experiments.provenance import commit, hardware
from experiments.records import RESULTS
from lightning_modules import CML
from lightning_modules.data_contracts.user_items import UserItems
from lightning_modules.functional.ranking import top_items
from lightning_modules.metrics.ranking import RankingMetrics
from lightning_modules.recommendation.fitted import as_csr

USERS, ITEMS, BATCH, K = 100_000, 1_000_000, 4096, 10
Row = tuple[str, float, float]


class Dense(CML):
    """CML whose gradients are as large as its tables."""

    def make(self, n_users: int, n_items: int, width: int) -> None:
        """The same tables."""
        super().make(n_users, n_items, width)
        self.users.sparse = self.items.sparse = False


class RandomPairs(InteractionData):
    """Pairs without a pattern: only the time matters."""

    def __init__(self) -> None:
        super().__init__(BATCH)

    def read(self) -> SplitPairs:
        """A million pairs to train on, and one for each of the other parts."""
        g = torch.Generator().manual_seed(0)
        users, items = (
            torch.randint(n, (1_000_000,), generator=g) for n in (USERS, ITEMS)
        )
        cut = torch.split(torch.arange(len(users)), [len(users) - 2, 1, 1])
        train, val, test = (
            UserItems.from_pairs(users[c], items[c], USERS, ITEMS) for c in cut
        )
        return SplitPairs(train, val, test)


def pairs_per_second(model: CML, data: RandomPairs, steps: int) -> float:
    """Of one training run, without its start."""
    seed_everything(0, verbose=False)
    clock = Clock(max(1, steps // 5))
    trainer = Trainer(
        accelerator="cpu",
        max_steps=steps,
        max_epochs=-1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
    )
    model.on_train_batch_end = clock.tick  # type: ignore[method-assign, assignment]
    trainer.fit(model, data)
    return clock.rate * BATCH


def training(rounds: int, steps: int) -> Row:
    """Pairs per second, ours and dense."""
    data = RandomPairs()
    data.setup()
    ours, dense = [], []
    for _ in range(rounds):
        ours.append(pairs_per_second(CML(dim=64), data, 4 * steps))
        model = Dense(dim=64, optimizer=lambda p: torch.optim.Adagrad(p, lr=0.1))
        dense.append(pairs_per_second(model, data, steps))
    return "training: pairs", statistics.median(ours), statistics.median(dense)


class Shop:
    """Users, items and their scores, as each of the evaluations wants them."""

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

    def ours(self, score: Callable[[slice], Tensor], seen: bool) -> dict[str, Tensor]:
        """Six measures of this library."""
        pairs = self.train.of(self.users) if seen else None
        top, _ = top_items(score, self.v.shape[0], K, pairs)
        metrics = RankingMetrics((K,))
        metrics.update(top, self.users, self.test)
        found: dict[str, Tensor] = metrics.compute()
        return found

    def torchmetrics(self) -> dict[str, Tensor]:
        """Six measures of torchmetrics."""
        kinds = {
            "recall": retrieval.RetrievalRecall,
            "ndcg": retrieval.RetrievalNormalizedDCG,
            "hit_rate": retrieval.RetrievalHitRate,
            "map": retrieval.RetrievalMAP,
            "mrr": retrieval.RetrievalMRR,
            "precision": retrieval.RetrievalPrecision,
        }
        index = self.users[:, None].expand_as(self.scores).flatten()
        found = {}
        for name, kind in kinds.items():
            metric = kind(top_k=K)
            metric.update(self.scores.flatten(), self.relevant.flatten(), index)
            found[name] = metric.compute()
        return found

    def implicit(self) -> dict[str, float]:
        """Four measures of implicit."""
        from implicit.cpu.als import AlternatingLeastSquares
        from implicit.evaluation import ranking_metrics_at_k

        model = AlternatingLeastSquares(factors=self.u.shape[1])
        model.user_factors, model.item_factors = self.u.numpy(), self.v.numpy()
        train, test = (as_csr(part) for part in (self.train, self.test))
        found: dict[str, float] = ranking_metrics_at_k(
            model, train, test, K=K, show_progress=False, num_threads=1
        )
        return found


def evaluation(rounds: int) -> list[Row]:
    """Users per second, ours and those of torchmetrics and implicit."""
    shop = Shop()

    def given() -> dict[str, Tensor]:
        return shop.ours(lambda part: shop.scores[:, part], seen=False)

    def computed() -> dict[str, Tensor]:
        return shop.ours(lambda part: shop.u @ shop.v[part].T, seen=True)

    theirs, ours = shop.torchmetrics(), given()
    for name in ("recall", "ndcg", "hit_rate", "mrr", "precision"):
        assert abs(float(theirs[name] - ours[f"{name}@{K}"])) < 1e-5, name
    assert abs(shop.implicit()["ndcg"] - float(computed()[f"ndcg@{K}"])) < 1e-5
    return [
        (
            "evaluation: users (torchmetrics)",
            *_in_turn(given, shop.torchmetrics, rounds),
        ),
        ("evaluation: users (implicit)", *_in_turn(computed, shop.implicit, rounds)),
    ]


def _in_turn(
    ours: Callable[[], object], theirs: Callable[[], object], rounds: int
) -> tuple[float, float]:
    """Users per second of both, medians."""
    taken: tuple[list[float], list[float]] = [], []
    for _ in range(rounds):
        for way, times in zip((ours, theirs), taken, strict=True):
            start = time.perf_counter()
            way()
            times.append(time.perf_counter() - start)
    first, second = (1000 / statistics.median(times) for times in taken)
    return first, second


def report(rows: Sequence[Row], command: str, code: str) -> str:
    """The file's text."""
    lines = [f"# command: {command}", f"# commit: {code}", f"# hardware: {hardware()}"]
    lines.append("what per second,ours,the other way,times as fast")
    lines += [f"{what},{a:.0f},{b:.0f},{a / b:.2f}" for what, a, b in rows]
    return "\n".join(lines) + "\n"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    parser.add_argument("--steps", type=int, default=20, help="(default: %(default)s)")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    code = commit()
    rows = [training(args.rounds, args.steps), *evaluation(args.rounds)]
    command = f"python -m benchmarks.ranking_speed --rounds {args.rounds}"
    text = report(rows, f"{command} --steps {args.steps}", code)
    print(text)
    write_whole(RESULTS / "ranking_speed.csv", text)


if __name__ == "__main__":
    main()
