"""Seconds and memory from a file of ten million pairs to the first training batch.

A CSV file of pairs is written into a temporary folder, users and items drawn so that a
few have many pairs, once with whole numbers as ids and once with text. Each is read,
split and made ready in a process of its own, whose peak memory is that above what the
imports take.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.timing import Spent, spending
from datamodules import Interactions
from experiments.provenance import ROOT

N_USERS, N_ITEMS = 200_000, 50_000
PREFIXES = {"integer": "", "text": "somebody-"}


def write_pairs(path: Path, rows: int, prefix: str) -> None:
    """A file of pairs; some come twice."""
    random = np.random.default_rng(0)
    draws = {"user": N_USERS, "item": N_ITEMS}
    columns = {
        name: (n * random.random(rows) ** 2).astype(np.int64)
        for name, n in draws.items()
    }
    frame = pl.DataFrame(columns).cast(pl.String)
    words = [pl.concat_str(pl.lit(prefix), pl.col(name)).alias(name) for name in draws]
    frame.select(words).write_csv(path)


def ready(path: Path) -> dict[str, float]:
    """Cost of reading the file and making the first batch, in this process."""
    spent = Spent()
    with spending(spent):
        data = Interactions(str(path))
        data.prepare_data()
        data.setup("fit")
        next(iter(data.train_dataloader()))
    gibibytes = spent.memory / 2**30
    pairs = len(data.interactions("all"))
    return {"pairs": pairs, "seconds": spent.wall, "gibibytes": gibibytes}


def interactions_speed(
    rows: int = 10_000_000, kinds: Sequence[str] = tuple(PREFIXES)
) -> list[dict[str, object]]:
    """A row for each kind of ids; each file is read once."""
    table: list[dict[str, object]] = []
    for kind in kinds:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "pairs.csv"
            write_pairs(path, rows, PREFIXES[kind])
            words = [sys.executable, "-m", "benchmarks.interactions_speed", str(path)]
            output = subprocess.check_output(words, cwd=ROOT, text=True)
        values = json.loads(output.splitlines()[-1])
        table.append(
            {
                "ids": kind,
                "rows": rows,
                "different pairs": values["pairs"],
                "seconds": f"{values['seconds']:.1f}",
                "peak memory above imports (GiB)": f"{values['gibibytes']:.2f}",
            }
        )
        print(table[-1], flush=True)
    return table


if __name__ == "__main__":
    print(json.dumps(ready(Path(sys.argv[1]))))
