"""k-nearest-neighbour accuracy before and after a learnt metric.

    python -m experiments.studies.learned_metrics

For scikit-learn's wine and digits: the Euclidean distance, the LMNN of
configs/metric_learner, the other losses with LMNN's data and budget, and scikit-learn's
NeighborhoodComponentsAnalysis. All of them learn from every split of the rows (60/20/20
by class). Settings were looked at on splits 0 to 7, so these are 100 and up.
Writes docs/results/neighbours.csv: mean accuracy of 3 neighbours on the test rows, and
its mean gain over the Euclidean distance with the standard error over the splits.
"""

import logging
import statistics
import time
import warnings
from collections.abc import Iterator, Sequence

import torch
from lightning.pytorch import seed_everything
from rich.progress import track
from sklearn import neighbors

from datamodules import LabelledTable
from experiments.jobs import command_parser
from experiments.provenance import ROOT, commit, hardware, require_root
from experiments.records import RESULTS, csv_text
from experiments.trainers import quiet_trainer
from lightning_modules import LinearMap, MetricLearner
from lightning_modules.core.files import write_whole
from wasserstein_critics.cli.config_files import read_config

FIRST_SPLIT = 100
CONFIGS = ROOT / "configs" / "metric_learner"
LOSSES = ("lmnn", "triplet", "improved_triplet", "contrastive")
Row = dict[str, float | str]


def learnt(table: str, loss: str, split: int) -> tuple[float, float]:
    """Accuracy before and after a metric is learnt on a split."""
    config = read_config(CONFIGS / f"{table}.yaml")
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
    trainer = quiet_trainer(max_steps=config["trainer"]["max_steps"])
    trainer.fit(module, data)
    (metrics, *_) = trainer.test(module, data, verbose=False)
    return metrics["test/input_knn_accuracy"], metrics["test/knn_accuracy"]


def components(table: str, split: int) -> float:
    """Accuracy after scikit-learn's NeighborhoodComponentsAnalysis."""
    config = read_config(CONFIGS / f"{table}.yaml")
    data = LabelledTable(**config["data"]["init_args"], split_seed=split)
    data.setup()
    parts = data.train_set, data.test_set
    (x, y), (test_x, test_y) = ((p.x.numpy(), p.y.numpy()) for p in parts)
    learner = neighbors.NeighborhoodComponentsAnalysis(max_iter=200, random_state=split)
    learner.fit(x, y)
    classifier = neighbors.KNeighborsClassifier(config["model"]["init_args"]["k"])
    classifier.fit(learner.transform(x), y)
    return float(classifier.score(learner.transform(test_x), test_y))


def evaluate(table: str, splits: Sequence[int]) -> Iterator[Row]:
    """A row for every method."""
    before: list[float] = []
    after: dict[str, list[float]] = {loss: [] for loss in (*LOSSES, "nca")}
    seconds = dict.fromkeys(after, 0.0)
    for split in track(splits, table):
        for method, accuracies in after.items():
            start = time.process_time()
            if method == "nca":
                accuracies.append(components(table, split))
            else:
                euclidean, accuracy = learnt(table, method, split)
                accuracies.append(accuracy)
            seconds[method] += time.process_time() - start
        before.append(euclidean)
    for method, accuracies in {"euclidean": before, **after}.items():
        figures = _figures(accuracies, before, seconds.get(method, 0.0))
        yield {"table": table, "method": method, **figures}


def _figures(
    after: list[float], before: list[float], seconds: float
) -> dict[str, float]:
    gains = [a - b for a, b in zip(after, before, strict=True)]
    return {
        "accuracy": 100 * statistics.mean(after),
        "gain": 100 * statistics.mean(gains),
        "standard_error": 100 * statistics.stdev(gains) / len(gains) ** 0.5,
        "worse_splits": sum(gain < 0 for gain in gains),
        "cpu_seconds": seconds / len(gains),
    }


def main() -> None:
    """Evaluate on both tables and write the CSV."""
    parser = command_parser("experiments.studies.learned_metrics", __doc__)
    parser.add_argument("--splits", type=int, default=20, help="how many (default: 20)")
    n = parser.parse_args().splits
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    header = {
        "command": "python -m experiments.studies.learned_metrics",
        "splits": f"{FIRST_SPLIT} to {FIRST_SPLIT + n - 1}",
        "commit": commit(),
        "hardware": hardware(),
    }
    splits = range(FIRST_SPLIT, FIRST_SPLIT + n)
    rows = [row for table in ("wine", "digits") for row in evaluate(table, splits)]
    text = csv_text(header, rows)
    print(text)
    write_whole(RESULTS / "neighbours.csv", text)


if __name__ == "__main__":
    require_root()
    main()
