"""Choose the settings of the rankers on validation users; test pairs are not looked at.

    python -m experiments.tuning.recommendation lastfm # measures, then ranks
    python -m experiments.tuning.recommendation lastfm --one cml-u20

The candidates stand in recommendation_candidates.py: the shipped experiments, and each
with something changed. A finished candidate is one file in docs/results/selection/; an
interrupted search goes on with those that are missing.
"""

import argparse
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from callbacks import run_directory, write_whole
from experiments.jobs import AT_ONCE, Job, alone, exit_status, run_all
from experiments.provenance import ROOT, commit, data_root, hardware
from experiments.results.recommendation_tables import data_options
from experiments.results.record import RESULTS, RUNS
from experiments.tuning.recommendation_candidates import SEARCHES

SELECTION = RESULTS / "selection"


def measure(data: str, name: str) -> None:
    """Train a candidate with seed 0 and keep its best validation."""
    from wasserstein_critics.cli.app import command_line

    candidate, code, start = SEARCHES[data][name], commit(), time.monotonic()
    words = [
        f"--config={ROOT / 'configs' / candidate.method / data}.yaml",
        "--trainer.enable_progress_bar=false",
        "--trainer.logger=false",
        f"--trainer.default_root_dir={RUNS / 'selection' / data / name}",
        *data_options(data, data_root()),
        *candidate.options,
    ]
    trainer = command_line(["fit", *words]).trainer
    seconds = time.monotonic() - start
    kept: Any = trainer.checkpoint_callback
    record = {
        "candidate": name,
        "method": candidate.method,
        "options": candidate.options,
        "monitor": kept.monitor,
        "score": float(kept.best_model_score),
        "step": int(Path(kept.best_model_path).stem.rpartition("-")[2]),
        "seconds": round(seconds, 1),
        "commit": code,
        "hardware": hardware(),
    }
    shutil.rmtree(run_directory(trainer) / "checkpoints", ignore_errors=True)
    write_whole(SELECTION / data / f"{name}.json", json.dumps(record, indent=2) + "\n")


def ranking(data: str) -> list[dict[str, Any]]:
    """The finished candidates, method by method, the best first."""
    paths = (SELECTION / data / f"{name}.json" for name in SEARCHES[data])
    rows = [json.loads(path.read_text()) for path in paths if path.exists()]
    return sorted(rows, key=lambda row: (row["method"], -row["score"]))


def run(data: str, jobs: int) -> int:
    """Measure the missing candidates and print the ranking."""
    log = RUNS / "selection" / data
    with alone(log / "lock", f"the search for {data}"):
        kept = SELECTION / data
        missing = [n for n in SEARCHES[data] if not (kept / f"{n}.json").exists()]
        words = (
            sys.executable,
            "-m",
            "experiments.tuning.recommendation",
            data,
            "--one",
        )
        waiting = [Job(n, (*words, n), log / f"{n}.log") for n in missing]
        failed = run_all(waiting, jobs, f"search {data}")
    for row in ranking(data):
        print(f"{row['candidate']:30} {row['monitor']} {row['score']:.4f}")
    return failed


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", choices=sorted(SEARCHES), help="for which data set")
    parser.add_argument(
        "--jobs", type=int, default=AT_ONCE, help="candidates at a time"
    )
    parser.add_argument("--one", help="measure this candidate, even if it is finished")
    args = parser.parse_args()
    if args.one is not None and args.one not in SEARCHES[args.data]:
        parser.error(f"{args.one} is not one of {', '.join(SEARCHES[args.data])}")
    if args.one:
        measure(args.data, args.one)
        return 0
    again = f"python -m experiments.tuning.recommendation {args.data}"
    return exit_status(lambda: run(args.data, args.jobs), again)


if __name__ == "__main__":
    sys.exit(main())
