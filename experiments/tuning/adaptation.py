"""Choose the settings of a table without a target label.

    python -m experiments.tuning.adaptation amazon # measures, then ranks
    python -m experiments.tuning.adaptation amazon --method mmd
    python -m experiments.tuning.adaptation amazon --one averaged

The candidates stand in adaptation_candidates.py: changes of WDGRL's settings, and
weights of the baselines' losses on top of what was chosen for WDGRL. Every candidate
trains the tasks of the table with two seeds; a baseline's weight is tried on four of
the tasks.
The labels of the target are blanked out before anything is trained, so neither this
script nor who reads its output can see a target accuracy. The rule is that of
docs/decisions/0009: of the candidates whose mean accuracy on the *source's* validation
rows is at most one point below the best of the method, the one whose two seeds disagree
least on the unlabelled target rows.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from callbacks import WeightEMA, write_whole
from datamodules.core.tensor_dataset import LabelledRows
from experiments.jobs import AT_ONCE, Job, alone, exit_status, run_all
from experiments.provenance import ROOT, commit, data_root, hardware
from experiments.results.record import RESULTS, RUNS
from experiments.results.tables import TABLES
from experiments.tuning.adaptation_candidates import CHOICES, Candidate
from lightning_modules.core.alternating import evaluating
from wasserstein_critics.cli.config_files import read_config

SEEDS = (0, 1)
SELECTION = RESULTS / "selection"
SLACK = 0.01  # source accuracy that a candidate may lose against the best


class Blindfold(Callback):
    """Blanks out the target's labels, and keeps what is predicted for its rows."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        """Before anything is trained."""
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        hidden = torch.full_like(data.domains.target_test.y, -1)
        labelled = LabelledRows(data.domains.target_test.x, hidden)
        data.domains = replace(data.domains, target_test=labelled)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Predict the unlabelled rows with the weights that validation uses."""
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        self.predicted = predict(trainer, pl_module, data.domains.target)


@torch.no_grad()
def predict(trainer: Trainer, module: LightningModule, rows: Any) -> Tensor:
    """Classes of rows, from the averaged weights if there are any."""
    averages = [c for c in trainer.callbacks if isinstance(c, WeightEMA)]  # type: ignore[attr-defined]
    with evaluating(module):
        for average in averages:
            with average.averaged(module):
                return torch.as_tensor(module(rows).argmax(1))
        return torch.as_tensor(module(rows).argmax(1))


def measure(choice: str, name: str) -> None:
    """Train a candidate on every task with every seed, and keep its scores."""
    candidate, code = CHOICES[choice].candidates[name], commit()
    tasks = {}
    for task in candidate.tasks or TABLES[CHOICES[choice].table].tasks:
        tasks[task] = _scores(choice, candidate, task)
        print(f"{task}: {tasks[task]}", flush=True)
    record = {
        "candidate": name,
        "method": candidate.method,
        "config": candidate.config,
        "options": candidate.options,
        "seeds": SEEDS,
        "tasks": tasks,
        "commit": code,
        "hardware": hardware(),
    }
    path = SELECTION / choice / f"{name}.json"
    write_whole(path, json.dumps(record, indent=2) + "\n")


def _scores(choice: str, candidate: Candidate, task: str) -> dict[str, float]:
    """Of one task: means over the seeds, and how often two seeds disagree."""
    from wasserstein_critics.cli.app import command_line

    predicted, found = [], []
    for seed in SEEDS:
        blindfold = Blindfold()
        words = arguments(choice, candidate, task, seed)
        cli = command_line(["fit", *words], callbacks=[blindfold])
        predicted.append(blindfold.predicted)
        found.append(cli.trainer.callback_metrics)
    scores = {
        name: statistics.mean(float(one[f"val/{name}"]) for one in found)
        for name in ("source_accuracy", "target_entropy", "target_im")
    }
    scores["disagreement"] = float((predicted[0] != predicted[1]).float().mean())
    return scores


def arguments(choice: str, candidate: Candidate, task: str, seed: int) -> list[str]:
    """The command line of one run."""
    config = ROOT / "configs" / candidate.method / f"{candidate.config}.yaml"
    trainer = read_config(config)["trainer"]
    learnt = [c for c in trainer["callbacks"] if c["class_path"] == "WeightEMA"]
    return [
        f"--config={config}",
        f"--seed_everything={seed}",
        f"--data.seed={seed}",
        *TABLES[CHOICES[choice].table].options(task, data_root()),
        f"--trainer.callbacks={json.dumps(learnt)}",
        "--trainer.logger=false",
        "--trainer.enable_checkpointing=false",
        "--trainer.enable_progress_bar=false",
        "--trainer.enable_model_summary=false",
        f"--trainer.default_root_dir={RUNS / 'selection'}",
        *candidate.options,
        f"--trainer.max_steps={candidate.steps}",
        f"--trainer.val_check_interval={candidate.steps}",  # the last step counts
    ]


def ranking(choice: str, method: str) -> list[dict[str, Any]]:
    """A method's measured candidates, admissible ones first, by their disagreement."""
    rows = []
    for name in CHOICES[choice].of(method):
        path = SELECTION / choice / f"{name}.json"
        if path.exists():
            tasks = json.loads(path.read_text())["tasks"].values()
            keys = next(iter(tasks)).keys()
            means = {key: statistics.mean(task[key] for task in tasks) for key in keys}
            rows.append({"candidate": name, **means})
    best = max((row["source_accuracy"] for row in rows), default=0.0)
    for row in rows:
        row["admissible"] = row["source_accuracy"] >= best - SLACK
    return sorted(rows, key=lambda row: (not row["admissible"], row["disagreement"]))


def run(choice: str, methods: Iterable[str], jobs: int) -> int:
    """Measure the missing candidates and print the rankings."""
    log = RUNS / "selection" / choice
    with alone(log / "lock", f"the selection for {choice}"):
        wanted = (name for method in methods for name in CHOICES[choice].of(method))
        kept = SELECTION / choice
        missing = [name for name in wanted if not (kept / f"{name}.json").exists()]
        words = (sys.executable, "-m", "experiments.tuning.adaptation", choice, "--one")
        waiting = [Job(c, (*words, c), log / f"{c}.log") for c in missing]
        failed = run_all(waiting, jobs, f"selection {choice}")
    for row in (row for method in methods for row in ranking(choice, method)):
        print(
            f"{row['candidate']:28} disagreement {100 * row['disagreement']:.2f} %, "
            f"source accuracy {100 * row['source_accuracy']:.2f} %, "
            f"IM {row['target_im']:.4f}"
            + ("" if row["admissible"] else ", not admissible")
        )
    return failed


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("choice", choices=sorted(CHOICES), help="for which table")
    parser.add_argument(
        "--jobs", type=int, default=AT_ONCE, help="candidates at a time"
    )
    parser.add_argument("--method", help="only the candidates of this one")
    parser.add_argument("--one", help="measure this candidate, even if it is finished")
    args = parser.parse_args()
    choice = CHOICES[args.choice]
    for word, known in ((args.method, choice.methods), (args.one, choice.candidates)):
        if word is not None and word not in known:
            parser.error(f"{word} is not one of {', '.join(known)}")
    if args.one:
        measure(args.choice, args.one)
        return 0
    methods = (args.method,) if args.method else choice.methods
    again = f"python -m experiments.tuning.adaptation {args.choice}"
    return exit_status(lambda: run(args.choice, methods, args.jobs), again)


if __name__ == "__main__":
    sys.exit(main())
