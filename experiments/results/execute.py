"""Executing a run: by training, or from the data itself."""

import json
import os
import shutil
import time
from typing import Any

import torch

from callbacks.generative.feature_metrics import class_share_range
from datamodules import MNIST, PlantedInteractions, PointClouds
from experiments import records
from experiments.provenance import ROOT, commit, data_root
from experiments.results.runs import FEATURES, Run, write_record
from experiments.results.tables import REAL, TABLES, TRUE_DISTANCES
from experiments.results.user_values import keep_users
from lightning_modules.functional.ranking import top_items
from lightning_modules.metrics import FrozenFeatures, ModeCoverage, feature_scores
from lightning_modules.metrics.ranking import RankingMetrics


def execute(run: Run) -> None:
    """Train, test and keep the record; the clock runs over training alone."""
    code = commit()  # now: somebody may commit while the run trains
    if run.table == "demo":
        from experiments.demo import demo

        metrics = demo(run.seed, _run_arguments(run))
        seconds = metrics["fit_seconds"]
    elif run.method == REAL:
        metrics, seconds = real_data_metrics(run), 0.0
    elif run.method == TRUE_DISTANCES:
        metrics, seconds = true_distance_metrics(run), 0.0
    else:
        metrics, seconds = _train(run)
    write_record(run, metrics, seconds, code)


def _arguments(run: Run) -> list[str]:
    table = TABLES[run.table]
    return [
        f"--config={ROOT / 'configs' / table.experiment(run.method, run.task)}.yaml",
        f"--seed_everything={run.seed}",
        f"--data.seed={run.seed}",
        *_run_arguments(run),
        *_mnist_arguments(run),
        *table.arguments(run.method, run.task, data_root()),
    ]


def _run_arguments(run: Run) -> list[str]:
    return [
        f"--trainer.logger.init_args.save_dir={records.RUNS / run.table}",
        f"--trainer.logger.init_args.name={run.name}",
        "--trainer.enable_progress_bar=false",
    ]


def _mnist_arguments(run: Run) -> list[str]:
    if run.task != "mnist":
        return []
    options = {"classifier": str(FEATURES)}
    callback = {"class_path": "callbacks.FeatureMetrics", "init_args": options}
    appended = f"--trainer.callbacks+={json.dumps(callback)}"
    return [f"--data.root={mnist_root()}", appended]


def _train(run: Run) -> tuple[dict[str, float], float]:
    from callbacks import run_directory
    from lightning_modules.adaptation.base import AdaptationModule
    from lightning_modules.recommendation.evaluation import RankingEvaluator
    from wasserstein_critics.cli.app import command_line

    start = time.monotonic()
    cli = command_line(["fit", *_arguments(run)])
    seconds = time.monotonic() - start
    ranks = isinstance(cli.model.evaluator, RankingEvaluator)
    if isinstance(cli.model, AdaptationModule):
        metrics = _validation_metrics(cli.trainer)
    else:  # models that rank: the validation with the best ndcg@20
        checkpoint = "best" if ranks else None
        cli.trainer.test(cli.model, cli.datamodule, checkpoint, verbose=False)
        metrics = _test_metrics(cli.trainer)
        if TABLES[run.table].by_user:
            keep_users(run, run_directory(cli.trainer) / "users.parquet")
    if ranks or isinstance(cli.model, AdaptationModule):
        shutil.rmtree(run_directory(cli.trainer) / "checkpoints", ignore_errors=True)
    return metrics, seconds


ADAPTED = {
    "last/accuracy": "val/target_accuracy_last",
    "selected/accuracy": "val/target_accuracy_selected",
    "best/accuracy": "val/target_accuracy_oracle",
    "last/class_accuracy": "val/target_class_accuracy",
    "last/source_accuracy": "val/source_accuracy",
    "last/im": "val/target_im",
    "last/domain_loss": "train/domain_loss",
}


def _validation_metrics(trainer: Any) -> dict[str, float]:
    """Of the last validation; DANN also has a loss of its discriminator."""
    logged = trainer.callback_metrics
    return {ours: float(logged[key]) for ours, key in ADAPTED.items() if key in logged}


def _test_metrics(trainer: Any) -> dict[str, float]:
    values = trainer.callback_metrics.items()
    return {
        k.removeprefix("test/"): float(v) for k, v in values if k.startswith("test/")
    }


def real_data_metrics(run: Run) -> dict[str, float]:
    """The metrics of training data in the place of samples."""
    points = run.task != "mnist"
    data = PointClouds(run.task) if points else MNIST(mnist_root())  # type: ignore[arg-type]
    data.prepare_data()
    data.setup("fit")
    data.setup("test")
    real = data.real("train")
    order = torch.randperm(len(real), generator=torch.Generator().manual_seed(run.seed))
    if isinstance(data, PointClouds):
        assert data.modes is not None
        coverage = ModeCoverage(data.modes, data.mode_std)
        coverage.update(real[order[:2500]])
        return {name: float(value) for name, value in coverage.compute().items()}
    network = FrozenFeatures.from_file(str(FEATURES))
    features, logits = network.features_and_logits(real[order[:10_000]])
    scores = feature_scores(network(data.real("test")), features, logits, 1000, 20, 0)
    metrics = {**scores, **class_share_range(logits)}
    return {name: float(value) for name, value in metrics.items()}


def true_distance_metrics(run: Run) -> dict[str, float]:
    """The metrics of a ranking by the places that planted data is made from."""
    data = PlantedInteractions(seed=run.seed)
    data.prepare_data()
    data.setup("test")
    test, seen = (data.interactions(split) for split in ("test", "seen"))
    users = test.counts.nonzero().flatten()
    distances = torch.cdist(data.user_positions[users], data.item_positions)
    top, _ = top_items(
        lambda part: -distances[:, part], data.n_items, 20, seen.of(users)
    )
    metrics = RankingMetrics((10, 20))
    metrics.update(top, users, test)
    return {name: float(value) for name, value in metrics.compute().items()}


def mnist_root() -> str:
    """Where MNIST's files lie."""
    root = data_root()
    return str(root / "mnist") if "WASSERSTEIN_DATA" in os.environ else str(root)
