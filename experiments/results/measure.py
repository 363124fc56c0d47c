"""How a cell is measured: by training, or from the data itself."""

import json
import os
import shutil
import time
from typing import Any

from experiments.provenance import ROOT, commit, data_root
from experiments.results.record import FEATURES, RUNS, Cell, write
from experiments.results.spec import REAL, TRUE_DISTANCES
from experiments.results.tables import TABLES


def measure(cell: Cell) -> None:
    """Train, test and keep one cell; the clock runs over training alone."""
    code = commit()  # now: somebody may commit while the cell trains
    if cell.table == "demo":
        from experiments.demo import demo

        metrics = demo(cell.seed, _run_arguments(cell))
        seconds = metrics["fit_seconds"]
    elif cell.method == REAL:
        metrics, seconds = _real_data(cell), 0.0
    elif cell.method == TRUE_DISTANCES:
        metrics, seconds = _true_distances(cell), 0.0
    else:
        metrics, seconds = _train(cell)
    write(cell, metrics, seconds, code)


def _arguments(cell: Cell, method: str) -> list[str]:
    table = TABLES[cell.table]
    return [
        f"--config={ROOT / 'configs' / table.experiment(method, cell.task)}.yaml",
        f"--seed_everything={cell.seed}",
        f"--data.seed={cell.seed}",
        *_run_arguments(cell),
        *_mnist_arguments(cell),
        *table.arguments(method, cell.task, data_root()),
    ]


def _run_arguments(cell: Cell) -> list[str]:
    return [
        f"--trainer.logger.init_args.save_dir={RUNS / cell.table}",
        f"--trainer.logger.init_args.name={cell.name}",
        "--trainer.enable_progress_bar=false",
    ]


def _mnist_arguments(cell: Cell) -> list[str]:
    if cell.task != "mnist":
        return []
    callback = json.dumps(
        {
            "class_path": "callbacks.FeatureMetrics",
            "init_args": {"classifier": str(FEATURES)},
        }
    )
    return [f"--data.root={_mnist_root()}", f"--trainer.callbacks+={callback}"]


def _train(cell: Cell) -> tuple[dict[str, float], float]:
    from callbacks import run_directory
    from lightning_modules.adaptation.base import AdaptationModule
    from lightning_modules.recommendation.base import ItemRanker
    from wasserstein_critics.cli.app import command_line

    start = time.monotonic()
    cli = command_line(["fit", *_arguments(cell, cell.method)])
    seconds = time.monotonic() - start
    if isinstance(cli.model, AdaptationModule):
        found = _adapted(cli.trainer)
    else:  # models that rank: the validation with the best ndcg@20
        chosen = "best" if isinstance(cli.model, ItemRanker) else None
        cli.trainer.test(cli.model, cli.datamodule, chosen, verbose=False)
        found = _tested(cli.trainer)
    if isinstance(cli.model, AdaptationModule | ItemRanker):
        shutil.rmtree(run_directory(cli.trainer) / "checkpoints", ignore_errors=True)
    return found, seconds


ADAPTED = {
    "last/accuracy": "val/target_accuracy_last",
    "selected/accuracy": "val/target_accuracy_selected",
    "best/accuracy": "val/target_accuracy_oracle",
    "last/class_accuracy": "val/target_class_accuracy",
    "last/source_accuracy": "val/source_accuracy",
    "last/im": "val/target_im",
    "last/domain_loss": "train/domain_loss",
}


def _adapted(trainer: Any) -> dict[str, float]:
    """What the last validation found; DANN also has a loss of its discriminator."""
    found = trainer.callback_metrics
    return {ours: float(found[key]) for ours, key in ADAPTED.items() if key in found}


def _tested(trainer: Any) -> dict[str, float]:
    values = trainer.callback_metrics.items()
    return {
        k.removeprefix("test/"): float(v) for k, v in values if k.startswith("test/")
    }


def _real_data(cell: Cell) -> dict[str, float]:
    """The metrics of training data in the place of samples."""
    import torch

    from callbacks.generative.feature_metrics import class_share_range
    from datamodules import MNIST, PointClouds
    from lightning_modules.metrics import FrozenFeatures, ModeCoverage, feature_scores

    points = cell.task != "mnist"
    data = PointClouds(cell.task) if points else MNIST(_mnist_root())  # type: ignore[arg-type]
    data.prepare_data()
    data.setup("fit")
    data.setup("test")
    real = data.real("train")
    order = torch.randperm(
        len(real), generator=torch.Generator().manual_seed(cell.seed)
    )
    if isinstance(data, PointClouds):
        assert data.modes is not None
        coverage = ModeCoverage(data.modes, data.mode_std)
        coverage.update(real[order[:2500]])
        return {name: float(value) for name, value in coverage.compute().items()}
    network = FrozenFeatures.from_file(str(FEATURES))
    features, logits = network.features_and_logits(real[order[:10_000]])
    scores = feature_scores(network(data.real("test")), features, logits, 1000, 20, 0)
    found = {**scores, **class_share_range(logits)}
    return {name: float(value) for name, value in found.items()}


def _true_distances(cell: Cell) -> dict[str, float]:
    """The metrics of a ranking by the places that planted data is made from."""
    import torch

    from datamodules import PlantedInteractions
    from lightning_modules.functional.ranking import top_items
    from lightning_modules.metrics.ranking import RankingMetrics

    data = PlantedInteractions(seed=cell.seed)
    data.prepare_data()
    data.setup("test")
    users = data.interactions("test").counts.nonzero().flatten()
    apart = torch.cdist(data.user_positions[users], data.item_positions)
    seen = data.interactions("seen").of(users)
    top, _ = top_items(lambda part: -apart[:, part], data.n_items, 20, seen)
    metrics = RankingMetrics((10, 20))
    metrics.update(top, users, data.interactions("test"))
    return {name: float(value) for name, value in metrics.compute().items()}


def _mnist_root() -> str:
    root = data_root()
    return str(root / "mnist") if "WASSERSTEIN_DATA" in os.environ else str(root)
