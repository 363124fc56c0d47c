"""k-nearest-neighbour accuracy before and after a learnt metric.

    python -m experiments.studies.learned_metrics

For scikit-learn's wine and digits: the Euclidean distance, the LMNN of
configs/metric_learner, the other losses with LMNN's data and budget, and scikit-learn's
NeighborhoodComponentsAnalysis. Every split of the rows (60/20/20 by class) is measured
with all of them. Settings were looked at on splits 0 to 7, so these are 100 and up.
Writes docs/results/neighbours.csv: mean accuracy of 3 neighbours on the test rows, and
its mean gain over the Euclidean distance with the standard error over the splits.
"""

import argparse
import logging
import statistics
import time
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import yaml
from lightning.pytorch import Trainer, seed_everything
from rich.progress import track
from sklearn.neighbors import (
    KNeighborsClassifier,
    NeighborhoodComponentsAnalysis,
)

from callbacks import write_whole
from datamodules import LabelledTable
from experiments.provenance import ROOT, commit, hardware
from experiments.records import RESULTS
from lightning_modules import LinearMap, MetricLearner

FIRST_SPLIT = 100
LOSSES = ("lmnn", "triplet", "improved_triplet", "contrastive")
Row = dict[str, float]


def settings(table: str) -> dict[str, Any]:
    """The experiment's config."""
    path = ROOT / "configs" / "metric_learner" / f"{table}.yaml"
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def learnt(table: str, loss: str, split: int) -> tuple[float, float]:
    """Accuracy before and after a metric is learnt on a split."""
    config = settings(table)
    model = config["model"]["init_args"]
    rate = model["optimizer"]["init_args"]["lr"]
    seed_everything(split, verbose=False)
    data = LabelledTable(**config["data"]["init_args"], split_seed=split, seed=split)
    module = MetricLearner(
        LinearMap(**model["network"]["init_args"]),
        loss,  # type: ignore[arg-type]
        k=model["k"],
        # the margin of the config is for squared distances
        margin=model["margin"] if loss == "lmnn" else model["margin"] ** 0.5,
        optimizer=lambda weights: torch.optim.Adam(weights, lr=rate),
    )
    trainer = Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        max_epochs=-1,
        max_steps=config["trainer"]["max_steps"],
        limit_val_batches=0,
    )
    trainer.fit(module, data)
    (found, *_) = trainer.test(module, data, verbose=False)
    return found["test/input_knn_accuracy"], found["test/knn_accuracy"]


def components(table: str, split: int) -> float:
    """Accuracy after scikit-learn's NeighborhoodComponentsAnalysis."""
    config = settings(table)
    data = LabelledTable(**config["data"]["init_args"], split_seed=split)
    data.setup()
    parts = data.train_set, data.test_set
    (x, y), (asked, labels) = ((p.x.numpy(), p.y.numpy()) for p in parts)
    learner = NeighborhoodComponentsAnalysis(random_state=split, max_iter=200).fit(x, y)
    judge = KNeighborsClassifier(config["model"]["init_args"]["k"])
    judge.fit(learner.transform(x), y)
    return float(judge.score(learner.transform(asked), labels))


def measure(table: str, splits: Sequence[int]) -> Iterator[tuple[str, Row]]:
    """Method and figures, for every method."""
    before: list[float] = []
    after: dict[str, list[float]] = {loss: [] for loss in (*LOSSES, "nca")}
    seconds = dict.fromkeys(after, 0.0)
    for split in track(splits, table):
        for method in after:
            start = time.process_time()
            if method == "nca":
                after[method].append(components(table, split))
            else:
                euclidean, found = learnt(table, method, split)
                after[method].append(found)
            seconds[method] += time.process_time() - start
        before.append(euclidean)
    yield "euclidean", _figures(before, before, 0.0)
    for method, found_ones in after.items():
        yield method, _figures(found_ones, before, seconds[method])


def _figures(found: list[float], before: list[float], seconds: float) -> Row:
    gains = [a - b for a, b in zip(found, before, strict=True)]
    return {
        "accuracy": 100 * statistics.mean(found),
        "gain": 100 * statistics.mean(gains),
        "standard_error": 100 * statistics.stdev(gains) / len(gains) ** 0.5,
        "worse_splits": sum(gain < 0 for gain in gains),
        "cpu_seconds": seconds / len(gains),
    }


def main() -> None:
    """Measure both tables and write the CSV."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=20, help="how many (default: 20)")
    n = parser.parse_args().splits
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    made = (
        "command: python -m experiments.studies.learned_metrics; "
        f"splits {FIRST_SPLIT} to "
        f"{FIRST_SPLIT + n - 1}; commit {commit()}; {hardware()}"
    )
    lines = [f"# {made}"]
    for table in ("wine", "digits"):
        for method, row in measure(table, range(FIRST_SPLIT, FIRST_SPLIT + n)):
            if len(lines) == 1:
                lines.append(",".join(["table", "method", *row]))
            values = [f"{value:.6g}" for value in row.values()]
            lines.append(",".join([table, method, *values]))
            print(lines[-1])
    write_whole(RESULTS / "neighbours.csv", "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
