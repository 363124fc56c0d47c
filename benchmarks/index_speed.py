"""How fast indices of nearest neighbours are, and what they miss.

    python -m benchmarks.index_speed

Points (d = 64) lie in clusters inside the unit ball that run into one another, and
queries among them; ten neighbours of 1,000 queries are looked for, one thread. Other
queries set how widely an index searches. Recall is against the flat index, which
compares with every point. Writes docs/results/index_speed.csv.
"""

import argparse
import time

import torch
from torch import Tensor

from callbacks import write_whole
from callbacks.recommendation.neighbour_index import (
    KINDS,
    build_index,
    find_faiss,
    share_found,
)
from experiments.provenance import commit, hardware
from experiments.records import RESULTS

DIM, QUERIES, K, SPREAD = 64, 1000, 10, 0.8


def clustered(n: int, seed: int) -> Tensor:
    """Points (n, 64) in the unit ball, around 10,000 centres, into one another."""
    g = torch.Generator().manual_seed(seed)
    centres = torch.randn(10_000, DIM, generator=g)
    own = torch.randint(len(centres), (n,), generator=g)
    points = centres[own] + SPREAD * torch.randn(n, DIM, generator=g)
    inside: Tensor = points / points.norm(dim=1).max()
    return inside


def measure(n: int) -> list[str]:
    """A line of the file for each kind of index."""
    points = clustered(n + 2 * QUERIES, seed=0)
    rows, typical, asked = points.tensor_split([n, n + QUERIES])
    queries = asked.numpy()
    exact, lines = None, []
    for kind in KINDS:
        start = time.perf_counter()
        index = build_index(rows, kind, queries=typical)  # type: ignore[arg-type]
        built = time.perf_counter() - start
        start = time.perf_counter()
        _, found = index.search(queries, K)
        rate = QUERIES / (time.perf_counter() - start)
        exact = found if exact is None else exact
        recall = share_found(found, exact)
        lines.append(f"{kind},{n},{built:.1f},{rate:.0f},{recall:.4f}")
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--points", type=int, default=1_000_000, help="(default: %(default)s)"
    )
    args = parser.parse_args()
    if args.points < 1000:
        parser.error("--points must be at least 1000")
    find_faiss().omp_set_num_threads(1)
    torch.set_num_threads(1)
    code = commit()
    lines = [
        f"# command: python -m benchmarks.index_speed --points {args.points}",
        f"# commit: {code}",
        f"# hardware: {hardware()}",
        "index,points,seconds to build,queries per second,recall@10",
        *measure(args.points),
    ]
    write_whole(RESULTS / "index_speed.csv", "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
