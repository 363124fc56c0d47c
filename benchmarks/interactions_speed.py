"""Seconds and memory from a file of ten million pairs to the first training batch.

    python -m benchmarks.interactions_speed

Writes a CSV file of pairs into a temporary folder, users and items drawn so that a few
have many pairs, once with whole numbers as ids and once with text. Each is read, cut
and made ready in a process of its own, whose peak memory is that above what the imports
take. Writes docs/results/interactions_speed.csv.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from callbacks import write_whole
from datamodules import Interactions
from experiments.provenance import commit, hardware
from experiments.records import RESULTS

N_USERS, N_ITEMS = 200_000, 50_000
PREFIXES = {"integer": "", "text": "somebody-"}


def make(path: Path, rows: int, prefix: str) -> None:
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
    """What this process takes to read the file and make the first batch."""
    before, start = _memory("VmRSS"), time.perf_counter()
    data = Interactions(str(path))
    data.prepare_data()
    data.setup("fit")
    next(iter(data.train_dataloader()))
    return {
        "seconds": time.perf_counter() - start,
        "gibibytes": (_memory("VmHWM") - before) / 2**20,
        "pairs": len(data.taken_pairs),
    }


def _memory(what: str) -> int:
    """Resident memory of this process, now (VmRSS) or at most (VmHWM), in kibibytes.

    What `resource` says begins with the memory of the process that started this one.
    """
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith(what))


def measured(kind: str, rows: int) -> dict[str, float]:
    """The same in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pairs.csv"
        make(path, rows, PREFIXES[kind])
        print(f"{kind} ids: {path.stat().st_size / 1e6:.0f} MB of {rows:,} rows")
        command = [
            sys.executable,
            "-m",
            "benchmarks.interactions_speed",
            "--only",
            str(path),
        ]
        ran = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    print(f"{kind} ids: {found['seconds']:.1f} s, {found['gibibytes']:.2f} GiB")
    return found


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rows", type=int, default=10_000_000, help="(default: %(default)s)"
    )
    parser.add_argument("--only", type=Path, help="measure this file in this process")
    args = parser.parse_args()
    if args.only:
        print(json.dumps(ready(args.only)))
        return
    code = commit()
    found = {kind: measured(kind, args.rows) for kind in PREFIXES}
    lines = [
        f"# command: python -m benchmarks.interactions_speed --rows {args.rows}",
        f"# commit: {code}",
        f"# hardware: {hardware()}",
        "ids,rows,different pairs,seconds,peak memory above imports (GiB)",
        *(
            f"{kind},{args.rows},{cell['pairs']:.0f},{cell['seconds']:.1f},"
            f"{cell['gibibytes']:.2f}"
            for kind, cell in found.items()
        ),
    ]
    write_whole(RESULTS / "interactions_speed.csv", "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
