"""Settings of the methods of domain adaptation, chosen without a target label.

The candidates stand in candidates.yaml: changes of WDGRL's settings, and weights of
every method's loss on top of what was chosen for WDGRL. A change trains the tasks of
the table with two seeds, a weight four of the tasks with one.
The labels of the target are blanked out before anything is trained, so neither this
script nor who reads its output can see a target accuracy. The rules are those of
docs/decisions/0009: of the candidates whose mean accuracy on the *source's* validation
rows is at most one point below the best of the method, the changes of WDGRL's settings
whose two seeds disagree least on the unlabelled target rows, and the weight that agrees
most with the vote of all weights of all methods.
"""

import json
import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from typing_extensions import override

from callbacks import averaged_network
from datamodules.core.tensor_dataset import LabelledRows
from experiments import records
from experiments.provenance import ROOT, data_root
from experiments.records import Record
from experiments.results.tables import TABLES, Table
from experiments.tuning import candidates
from experiments.tuning.candidates import AdaptationCandidate
from experiments.tuning.search import Search
from experiments.tuning.votes import agreement, packed
from lightning_modules.core.alternating import evaluating
from wasserstein_critics.cli.config_files import read_config

SLACK = 0.01  # source accuracy that a candidate may lose against the best


class Blindfold(Callback):
    """Blanks out the target's labels, and keeps what is predicted for its rows."""

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Before anything is trained."""
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        hidden = torch.full_like(data.domains.target_test.y, -1)
        labelled = LabelledRows(data.domains.target_test.x, hidden)
        data.domains = replace(data.domains, target_test=labelled)

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Predict the unlabelled rows with the weights that validation uses."""
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        no_grad, averaged = torch.no_grad(), averaged_network(trainer, pl_module)
        with no_grad, evaluating(pl_module), averaged:
            self.predicted: Tensor = pl_module(data.domains.target).argmax(1)


def table_of(data: str) -> Table:
    """The table whose settings are searched."""
    return TABLES[candidates.SOURCE["adaptation"][data]["table"]]


def evaluate(search: Search[AdaptationCandidate], name: str) -> dict[str, Any]:
    """Train a candidate on every task with every seed; returns its scores."""
    candidate = search.candidates[name]
    tasks = {}
    for task in candidate.tasks or table_of(search.name).tasks:
        tasks[task] = _scores(search.name, candidate, task)
        print(f"{task}: {tasks[task]}", flush=True)
    return {"config": candidate.config, "seeds": candidate.seeds, "tasks": tasks}


def _scores(data: str, candidate: AdaptationCandidate, task: str) -> dict[str, Any]:
    """Of one task: means over the seeds, how often they disagree, their predictions."""
    from wasserstein_critics.cli.app import command_line

    predicted, logged = [], []
    for seed in candidate.seeds:
        blindfold = Blindfold()
        words = arguments(data, candidate, task, seed)
        cli = command_line(["fit", *words], callbacks=[blindfold])
        predicted.append(blindfold.predicted)
        logged.append(cli.trainer.callback_metrics)
    scores: dict[str, Any] = {
        name: statistics.mean(float(metrics[f"val/{name}"]) for metrics in logged)
        for name in ("source_accuracy", "target_entropy", "target_im")
    }
    if len(predicted) > 1:
        scores["disagreement"] = float((predicted[0] != predicted[1]).float().mean())
    scores["predicted"] = [packed(classes) for classes in predicted]
    return scores


def arguments(
    data: str, candidate: AdaptationCandidate, task: str, seed: int
) -> list[str]:
    """The command line of one run."""
    config = ROOT / "configs" / candidate.method / f"{candidate.config}.yaml"
    trainer = read_config(config)["trainer"]
    averages = [c for c in trainer["callbacks"] if c["class_path"] == "WeightEMA"]
    return [
        f"--config={config}",
        f"--seed_everything={seed}",
        f"--data.seed={seed}",
        *table_of(data).task_options(task, data_root()),
        f"--trainer.callbacks={json.dumps(averages)}",
        "--trainer.logger=false",
        "--trainer.enable_checkpointing=false",
        "--trainer.enable_progress_bar=false",
        "--trainer.enable_model_summary=false",
        f"--trainer.default_root_dir={records.RUNS / 'selection'}",
        *candidate.options,
        f"--trainer.max_steps={candidate.steps}",
        f"--trainer.val_check_interval={candidate.steps}",  # the last step counts
    ]


def rank(scored: Sequence[Record], _all: Sequence[Record]) -> list[Record]:
    """Means over the tasks; admissible candidates first, by their disagreement."""
    rows = _judged(scored)
    return sorted(rows, key=lambda row: (not row["admissible"], row["disagreement"]))


def rank_by_vote(scored: Sequence[Record], voters: Sequence[Record]) -> list[Record]:
    """Means over the tasks; admissible candidates first, by agreement with a vote."""
    rows = _judged(scored)
    for row, share in zip(rows, agreement(scored, voters), strict=True):
        row["agreement"] = share
    return sorted(rows, key=lambda row: (not row["admissible"], -row["agreement"]))


def _judged(scored: Sequence[Record]) -> list[Record]:
    """Records with means over the tasks, and whether they still know the source."""
    rows = [{**record, **_means(record["tasks"].values())} for record in scored]
    best = max((row["source_accuracy"] for row in rows), default=0.0)
    for row in rows:
        row["admissible"] = row["source_accuracy"] >= best - SLACK
    return rows


def _means(tasks: Sequence[dict[str, Any]]) -> dict[str, float]:
    keys = next(iter(tasks)).keys() - {"predicted"}
    return {key: statistics.mean(task[key] for task in tasks) for key in keys}


def describe(record: Record) -> str:
    """The mean scores of a ranked candidate."""
    chosen_by = "agreement" if "agreement" in record else "disagreement"
    return (
        f"{chosen_by} {100 * record[chosen_by]:.2f} %, "
        f"source accuracy {100 * record['source_accuracy']:.2f} %, "
        f"IM {record['target_im']:.4f}"
        + ("" if record["admissible"] else ", not admissible")
    )


SEARCHES = {
    data: Search(
        data,
        candidates.adaptation_candidates(data),
        evaluate,
        rank_by_vote if "weights" in search else rank,
        describe,
    )
    for data, search in candidates.SOURCE["adaptation"].items()
}
