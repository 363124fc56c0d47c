"""Settings of the rankers, chosen on validation users; test pairs are not looked at.

The candidates stand in candidates.yaml: the shipped experiments, and each
with something changed. The score is the best validation of a run with seed 0.
"""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from callbacks import run_directory
from experiments import records
from experiments.provenance import ROOT, data_root
from experiments.records import Record
from experiments.results.tables import TABLES
from experiments.tuning.candidates import SOURCE, Candidate, recommendation_candidates
from experiments.tuning.search import Search


def evaluate(search: Search[Candidate], name: str) -> dict[str, Any]:
    """Train a candidate with seed 0; returns its best validation."""
    from wasserstein_critics.cli.app import command_line

    candidate, start = search.candidates[name], time.monotonic()
    table = TABLES[f"cml-{search.name.replace('_', '-')}"]
    words = [
        f"--config={ROOT / 'configs' / candidate.method / search.name}.yaml",
        "--trainer.enable_progress_bar=false",
        "--trainer.logger=false",
        f"--trainer.default_root_dir={records.RUNS / 'selection' / search.name / name}",
        *table.task_options(search.name, data_root()),
        *candidate.options,
    ]
    trainer = command_line(["fit", *words]).trainer
    seconds = time.monotonic() - start
    checkpoint: Any = trainer.checkpoint_callback
    shutil.rmtree(run_directory(trainer) / "checkpoints", ignore_errors=True)
    return {
        "monitor": checkpoint.monitor,
        "score": float(checkpoint.best_model_score),
        "step": int(Path(checkpoint.best_model_path).stem.rpartition("-")[2]),
        "seconds": round(seconds, 1),
    }


def rank(candidates: Sequence[Record], _all: Sequence[Record]) -> list[Record]:
    """The highest score first."""
    return sorted(candidates, key=lambda record: -record["score"])


def describe(record: Record) -> str:
    """The metric of the validation, and the score."""
    return f"{record['monitor']} {record['score']:.4f}"


SEARCHES = {
    data: Search(data, recommendation_candidates(data), evaluate, rank, describe)
    for data in SOURCE["recommendation"]
}
