"""Candidates for the rankers: the shipped experiments, and each with a change."""

from collections.abc import Iterable, Iterator
from itertools import product

from experiments.tuning.search import Candidate


def _vary(
    method: str, *changes: str, budget: str = ""
) -> Iterator[tuple[str, Candidate]]:
    """The experiment as shipped, then each change: ``key=value``, several by spaces.

    ``budget`` stands before every change; ``class=X`` takes X of `rejected_variants`.
    """
    for change in ("", *changes):
        words = [word.split("=") for word in change.split()]
        name = "-".join((method, *(f"{k.rpartition('.')[2]}_{v}" for k, v in words)))
        options = [_option(*word.split("=")) for word in f"{budget} {change}".split()]
        yield name, Candidate(method, tuple(options))


def _option(key: str, value: str) -> str:
    if key == "class":
        return f"--model=experiments.tuning.rejected_variants.{value}"
    of_model = not key.startswith(("data.", "trainer."))
    return f"--{'model.' * of_model}{key}={value}"


def _search(*groups: Iterable[tuple[str, Candidate]]) -> dict[str, Candidate]:
    return {name: candidate for group in groups for name, candidate in group}


def _factors(alphas: Iterable[int], weights: Iterable[float]) -> Iterator[str]:
    """Of WRMF: every confidence with every weight of the squares."""
    return (f"alpha={a} l2={w}" for a, w in product(alphas, weights))


_GRADIENT = ("lr=0.01 epochs=300", "lr=0.01 epochs=300 l2=0.001", "epochs=30")
_NEIGHBOURS = ("k=20", "k=50", "k=200", "k=500", "k=1000")
_DECAY = ("decay=0", "decay=0.001", "decay=0.05", "decay=0.2")

CANDIDATES = {
    "lastfm": _search(
        _vary(
            "cml",
            *("margin=0.7", "margin=1.5", "n_negatives=20", "n_negatives=300"),
            *("optimizer.lr=0.05", "scheduler=null", "covariance_weight=10"),
            "sampling=popularity popularity_power=0.25",
            *("negative=first", "rank_weighted=false", "ball=false"),
        ),
        _vary(
            "smooth_cml",
            *("temperature=0.15", "temperature=0.2", "temperature=0.3"),
            *("n_negatives=1000", "n_negatives=2000 data.batch_size=1024"),
            *("optimizer.lr=0.05", "optimizer.lr=0.2", "covariance_weight=1"),
            *("sampling=popularity popularity_power=0.3", "ball=false", "margin=0.5"),
            *("class=DroppedCML rate=0.1", "class=SymmetricCML share=0.3"),
            "trainer.max_epochs=60",
            budget="trainer.max_epochs=20",
        ),
        _vary("bpr", *_DECAY),
        _vary("warp", *_DECAY, "margin=0.5", "margin=2"),
        _vary("wrmf", *_factors((2, 10, 30), (1, 10, 20, 30, 50, 100, 200))),
        _vary("implicit_bpr", *_GRADIENT),
        _vary("item_knn", *_NEIGHBOURS),
        _vary("ease", "l2=50", "l2=100", "l2=200", "l2=1000"),
    ),
    "citeulike_t": _search(
        _vary(
            "cml",
            *("margin=1.2", "margin=1.9", "n_negatives=4", "n_negatives=20"),
            *("optimizer.lr=0.1", "optimizer.lr=1", "data.batch_size=1024"),
            *("covariance_weight=1", "rank_weighted=false", "negative=first"),
            *("dim=100", "dim=400", "sampling=popularity popularity_power=0.25"),
            "optimizer=torch.optim.Adagrad optimizer.lr=0.1",
            "optimizer=torch.optim.Adagrad optimizer.lr=0.2",
        ),
        _vary(
            "smooth_cml",
            *("temperature=0.2", "temperature=0.3", "temperature=0.5"),
            *("n_negatives=4000", "data.batch_size=512"),
            budget="dim=100",
        ),
        _vary("smooth_cml", "dim=100"),
        _vary("bpr", *_DECAY, budget="dim=100"),
        _vary("bpr", "dim=100"),
        _vary("warp", *_DECAY),
        _vary(
            "wrmf",
            *_factors((30, 60, 120, 240, 480), (10, 30, 100, 300, 1000)),
            budget="dim=100",
        ),
        _vary("wrmf", "dim=100", "dim=400", "dim=400 l2=600"),
        _vary("implicit_bpr", *_GRADIENT, "dim=100"),
        _vary("item_knn", *_NEIGHBOURS),
    ),
    "ml_100k": _search(
        _vary("cml", "margin=0.5", "margin=1.5", "n_negatives=50", "scheduler=null"),
        _vary("smooth_cml", "temperature=0.2", "temperature=0.4", "temperature=0.6"),
        _vary("bpr", *_DECAY),
        _vary("warp", *_DECAY),
        _vary("wrmf", *_factors((1, 2, 10), (1, 3, 10, 30, 100))),
        _vary("implicit_bpr", *_GRADIENT),
        _vary("item_knn", *_NEIGHBOURS),
        _vary("ease", "l2=100", "l2=250", "l2=1000"),
    ),
}
