"""How often adaptation does harm on domains that no setting was chosen on.

    python -m experiments.safe_adaptation [--pairs 40]
    python -m experiments.safe_adaptation --table wdgrl-amazon

Each pair of `experiments.domain_pairs`, from number 0, is trained with the shipped
config ``wdgrl/feature_domains``: with every setting of ``select``, and with a fixed
transfer weight, the default of older versions. Target labels serve for the accuracy
alone. With ``--table`` it is the tasks of a table of docs/results.md, with its config
for WDGRL and without the fixed weight, which the table has. A pair is a line of a file
in docs/results/domains; those that are there are not trained again. Prints what
`summary` says.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from experiments.domain_pairs import draw_pair
from experiments.jobs import at_least, command_parser, exit_status
from experiments.provenance import commit, data_root, hardware, require_root
from experiments.records import Record, RecordFile, record_file
from experiments.results.tables import TABLES
from wasserstein_critics.select import SOURCE_ONLY, Trial, picked, trained

CONFIG = "--config=wdgrl/feature_domains"
FIXED = "weight 0.1"
FIXED_WEIGHT = {FIXED: {"transfer_weight": 0.1, "label_shift": "false"}}
LOGGED = {
    "target_im": 1,
    "target_entropy": -1,
    "target_snd": 1,
    "target_bnm": 1,
    "source_accuracy": 1,
}
SCORES = {**LOGGED, "iwcv": 1, "dev": 1}
"""Scores that need no target labels, those of a validation and those of `select`; -1
where lower is better."""
QUIET = (
    "--trainer.logger=false",
    *("--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"),
    "--trainer.enable_checkpointing=false",
)
NO_CALLBACKS = "--trainer.callbacks=null"
CALLBACKS = {
    "wdgrl-amazon": '--trainer.callbacks=[{"class_path": "WeightEMA", '
    '"init_args": {"warmup": true}}]',
    "wdgrl-office-surf": NO_CALLBACKS,
    "wdgrl-digits": NO_CALLBACKS,
}
"""Of each table that can be asked for: what has a part in what is learnt."""


def pair_file(table: str | None = None) -> RecordFile:
    """The records of the finished pairs, drawn ones or those of a table's tasks."""
    ending = f"_{table.removeprefix('wdgrl-')}" if table else ""
    return record_file(f"domains/safe_adaptation{ending}", "pair")


def measured(number: int, *more: str) -> Record:
    """A drawn pair with every setting; ``more`` are options of the command line."""
    pair = draw_pair(number)
    about: Record = {
        "rows": [len(pair.source.y), len(pair.target.y)],
        "columns": pair.source.x.shape[1],
        "classes": pair.classes,
        "shifts": {kind: round(size, 3) for kind, size in pair.shifts.items()},
    }
    with tempfile.TemporaryDirectory() as folder:
        words = [CONFIG, *pair.write(Path(folder)), NO_CALLBACKS, *more]
        return {"pair": number, **about, **_with_every_setting(words, FIXED_WEIGHT)}


def measured_task(table: str, task: str, *more: str) -> Record:
    """A task of a table, such as ``books-dvd``, with the settings."""
    plan = TABLES[table]
    words = [
        f"--config={plan.experiment('wdgrl', task)}",
        *plan.task_options(task, data_root()),
        *(CALLBACKS[table], *more),
    ]
    return {"pair": task, **_with_every_setting(words, {})}


def _with_every_setting(
    words: Sequence[str], others: Mapping[str, Mapping[str, object]]
) -> Record:
    code, start = commit(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        quiet = [*words, *QUIET, f"--trainer.default_root_dir={folder}"]
        found = dict(_trials(quiet, others))
    fair = [trial for trial in found if trial.setting not in others]
    return {
        "settings": {
            trial.setting: _numbers(trial, scores) for trial, scores in found.items()
        },
        "picked": picked(fair).setting,
        "seconds": round(time.monotonic() - start, 1),
        "commit": code,
        "hardware": hardware(),
    }


def _trials(
    words: list[str], others: Mapping[str, Mapping[str, object]]
) -> Iterator[tuple[Trial, dict[str, float]]]:
    """Every setting, with the other scores that need no target labels."""
    for trial, cli in trained(words, others):
        logged = cli.trainer.callback_metrics
        yield trial, {score: float(logged[f"val/{score}"]) for score in LOGGED}


def _numbers(trial: Trial, scores: Mapping[str, float]) -> dict[str, Any]:
    numbers = {**asdict(trial), **scores}
    for name in ("setting", "run"):
        del numbers[name]
    return {name: value and round(value, 5) for name, value in numbers.items()}


def accuracies(record: Record) -> dict[str, float]:
    """Target accuracy of each setting, of the picks by each score, and of the best."""
    settings = record["settings"]
    found = {name: numbers["target_accuracy"] for name, numbers in settings.items()}
    fair = [name for name in settings if name != FIXED]
    picks = {
        f"by {score}": found[max(fair, key=lambda n: sign * settings[n][score])]
        for score, sign in SCORES.items()
        if score in settings[SOURCE_ONLY]
    }
    oracle = max(found[name] for name in fair)
    return {**found, **picks, "select": found[record["picked"]], "oracle": oracle}


def summary(records: Sequence[Record]) -> list[dict[str, object]]:
    """A row for each setting: accuracy points beside source only, over the pairs.

    Older records lack some scores; their rows are over the pairs that have them.
    """
    rows: list[dict[str, object]] = []
    every = [accuracies(record) for record in records]
    for name in dict.fromkeys(name for one in every for name in one):
        have = [one for one in every if name in one]
        gains = [100 * (one[name] - one[SOURCE_ONLY]) for one in have]
        regrets = [100 * (one["oracle"] - one[name]) for one in have]
        rows.append(
            {
                "setting": name,
                "pairs": len(have),
                "mean gain": statistics.mean(gains),
                "worst": min(gains),
                "best": max(gains),
                "worse by more than 1": _share(gains, -1),
                "worse by more than 2": _share(gains, -2),
                "mean regret": statistics.mean(regrets),
            }
        )
    return rows


def _share(gains: Sequence[float], below: float) -> float:
    return sum(gain < below for gain in gains) / len(gains)


def lines(rows: Sequence[Mapping[str, object]]) -> Iterator[str]:
    """The summary as text."""
    for row in rows:
        yield "  ".join(
            f"{value:20}" if isinstance(value, str) else f"{value:6.4g} {name}"
            for name, value in row.items()
        )


def main() -> int:
    """The command line."""
    parser = command_parser("experiments.safe_adaptation", __doc__)
    parser.add_argument("--pairs", type=at_least(1), default=40, help="how many")
    parser.add_argument("--table", choices=CALLBACKS, help="the tasks of a table")
    args = parser.parse_args()
    table: str | None = args.table
    measure: Callable[[Any], Record] = measured
    names: Sequence[object] = range(args.pairs)
    if table:
        measure, names = partial(measured_task, table), TABLES[table].tasks

    def work() -> int:
        file = pair_file(table)
        file.merge()
        done = {record["pair"] for record in file.read()}
        for number, name in enumerate(names, 1):
            if name not in done:
                file.add(measure(name))
                print(f"pair {number} of {len(names)}", flush=True)
        records = [record for record in file.read() if record["pair"] in names]
        print("\n".join(lines(summary(records))))
        return 0

    again = f"python -m experiments.safe_adaptation{f' --table {table}' * bool(table)}"
    return exit_status(work, again)


if __name__ == "__main__":
    require_root()
    sys.exit(main())
