"""Choose the settings of the Amazon table without a target label.

    python scripts/select_amazon.py            # measures what is missing, then ranks
    python scripts/select_amazon.py --method mmd
    python scripts/select_amazon.py --one averaged

WDGRL's candidates are changes of the authors' settings; what wins serves all methods,
and the candidates of a baseline are weights of its own loss on top of that. Every
candidate trains the 12 tasks with two seeds. The labels of the target are blanked out
before anything is trained, so neither this script nor who reads its output can see a
target accuracy. The rule is that of docs/decisions/0009: of the candidates whose mean
accuracy on the *source's* validation rows is at most one point below the best of the
method, the one whose two seeds disagree least on the unlabelled target rows.
"""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
import yaml  # noqa: E402
from lightning.pytorch import Callback, LightningModule, Trainer  # noqa: E402
from torch import Tensor  # noqa: E402

from callbacks import WeightEMA, write_whole  # noqa: E402
from lightning_modules.base import evaluating  # noqa: E402
from scripts.cells import RESULTS, RUNS, commit, hardware  # noqa: E402
from scripts.jobs import AT_ONCE, Job, alone, exit_status, run_all  # noqa: E402

DOMAINS = ("books", "dvd", "electronics", "kitchen")
TASKS = tuple(permutations(DOMAINS, 2))
SEEDS = (0, 1)
STEPS = 2000
CHOSEN = RESULTS / "selection" / "amazon"
SLACK = 0.01  # source accuracy that a candidate may lose against the best

_AVERAGED = ('--trainer.callbacks+={"class_path": "WeightEMA"}',)
_DROPOUT = ("--model.extractor.init_args.dropout=0.5",)
_LOG = ("--data.normalise=log1p",)
_RAMP = ("--model.ramp=sigmoid",)


@dataclass(frozen=True)
class Candidate:
    """A setting: options on top of configs/<method>/<config>.yaml."""

    options: tuple[str, ...]
    method: str = "wdgrl"
    config: str = "amazon_authors"


def _weights(method: str, key: str, values: Iterable[float]) -> dict[str, Candidate]:
    return {
        f"{method}-{value:g}": Candidate((f"--model.{key}={value}",), method, "amazon")
        for value in values
    }


CANDIDATES = {
    "authors": Candidate(()),
    "averaged": Candidate(_AVERAGED),
    "averaged-dropout": Candidate((*_AVERAGED, *_DROPOUT)),
    "averaged-dropout-log": Candidate((*_AVERAGED, *_DROPOUT, *_LOG)),
    "averaged-ramp": Candidate((*_AVERAGED, *_RAMP)),
    "averaged-log-ramp": Candidate((*_AVERAGED, *_LOG, *_RAMP)),
    "averaged-dropout-log-ramp": Candidate((*_AVERAGED, *_DROPOUT, *_LOG, *_RAMP)),
    **_weights("mmd", "transfer_weight", (0.1, 0.5, 2.0)),
    **_weights("coral", "transfer_weight", (100.0, 1000.0, 10000.0)),
    **_weights("dann", "transfer_weight", (0.03, 0.1, 0.3)),
    **_weights("deepjdot", "label_weight", (0.01, 0.1, 1.0)),
}
METHODS = tuple(dict.fromkeys(candidate.method for candidate in CANDIDATES.values()))


class Blindfold(Callback):
    """Blanks out the target's labels, and keeps what is predicted for its rows."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        """Before anything is trained."""
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        hidden = torch.full_like(data.domains.target_test.y, -1)
        labelled = replace(data.domains.target_test, y=hidden)
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


def measure(candidate: str) -> None:
    """Train a candidate on every task with every seed, and keep its scores."""
    from train import command_line

    tasks: dict[str, dict[str, float]] = {}
    code = commit()
    for source, target in TASKS:
        predicted, found = [], []
        for seed in SEEDS:
            blindfold = Blindfold()
            words = arguments(candidate, source, target, seed)
            cli = command_line(["fit", *words], callbacks=[blindfold])
            predicted.append(blindfold.predicted)
            found.append(cli.trainer.callback_metrics)
        scores = {
            name: statistics.mean(float(one[f"val/{name}"]) for one in found)
            for name in ("source_accuracy", "target_entropy", "target_im")
        }
        scores["disagreement"] = float((predicted[0] != predicted[1]).float().mean())
        tasks[f"{source}-{target}"] = scores
        print(f"{source}-{target}: {scores}", flush=True)
    record = {
        "candidate": candidate,
        "options": CANDIDATES[candidate].options,
        "seeds": SEEDS,
        "tasks": tasks,
        "commit": code,
        "hardware": hardware(),
    }
    write_whole(CHOSEN / f"{candidate}.json", json.dumps(record, indent=2) + "\n")


def arguments(candidate: str, source: str, target: str, seed: int) -> list[str]:
    """The command line of one run."""
    data = os.environ.get("WASSERSTEIN_DATA", "data")
    chosen = CANDIDATES[candidate]
    return [
        f"--config={ROOT / 'configs' / chosen.method / chosen.config}.yaml",
        f"--seed_everything={seed}",
        f"--data.seed={seed}",
        f"--data.root={Path(data, 'amazon_reviews')}",
        f"--data.source={source}",
        f"--data.target={target}",
        f"--trainer.callbacks={_kept(chosen)}",
        "--trainer.logger=false",
        "--trainer.enable_checkpointing=false",
        "--trainer.enable_progress_bar=false",
        "--trainer.enable_model_summary=false",
        f"--trainer.default_root_dir={RUNS / 'selection'}",
        *chosen.options,
        f"--trainer.max_steps={STEPS}",
        f"--trainer.val_check_interval={STEPS}",  # the last step is what counts
    ]


def _kept(chosen: Candidate) -> str:
    """The callbacks of the config that change what is learnt, as JSON."""
    text = (ROOT / "configs" / chosen.method / f"{chosen.config}.yaml").read_text()
    callbacks = yaml.safe_load(text)["trainer"].get("callbacks") or []
    return json.dumps([c for c in callbacks if c["class_path"] == "WeightEMA"])


def ranking(method: str, directory: Path = CHOSEN) -> list[dict[str, Any]]:
    """A method's measured candidates, admissible ones first, by their disagreement."""
    rows = []
    for name in (name for name, c in CANDIDATES.items() if c.method == method):
        path = directory / f"{name}.json"
        if path.exists():
            tasks = json.loads(path.read_text())["tasks"].values()
            keys = next(iter(tasks)).keys()
            means = {key: statistics.mean(task[key] for task in tasks) for key in keys}
            rows.append({"candidate": name, **means})
    best = max((row["source_accuracy"] for row in rows), default=0.0)
    for row in rows:
        row["admissible"] = row["source_accuracy"] >= best - SLACK
    return sorted(rows, key=lambda row: (not row["admissible"], row["disagreement"]))


def run(methods: Iterable[str], jobs: int) -> int:
    """Measure the missing candidates and print the rankings."""
    with alone(RUNS / "selection" / "lock", "the selection of Amazon's settings"):
        wanted = (name for name, c in CANDIDATES.items() if c.method in methods)
        missing = [name for name in wanted if not (CHOSEN / f"{name}.json").exists()]
        words = (sys.executable, __file__, "--one")
        log = RUNS / "selection"
        failed = run_all(
            [Job(c, (*words, c), log / f"{c}.log") for c in missing], jobs, "selection"
        )
    for row in (row for method in methods for row in ranking(method)):
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
    parser.add_argument(
        "--jobs", type=int, default=AT_ONCE, help="candidates at a time"
    )
    parser.add_argument("--method", choices=METHODS, help="only its candidates")
    parser.add_argument("--one", choices=sorted(CANDIDATES), help="measure this one")
    args = parser.parse_args()
    if args.one:
        measure(args.one)
        return 0
    methods = (args.method,) if args.method else METHODS
    again = "python scripts/select_amazon.py"
    return exit_status(lambda: run(methods, args.jobs), again)


if __name__ == "__main__":
    sys.exit(main())
