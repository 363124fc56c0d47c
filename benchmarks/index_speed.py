"""Indices of nearest neighbours: their speed, and the neighbours that they miss.

Points (d = 64) lie in clusters inside the unit ball that run into one another, and
queries among them; ten neighbours of 1,000 queries are looked for, one thread. Other
queries set how widely an index searches. Recall is against the flat index, which
compares with every point.
"""

import time

import torch
from torch import Tensor

from callbacks.recommendation import neighbour_index

DIM, QUERIES, K, SPREAD = 64, 1000, 10, 0.8


def clustered(n: int, seed: int) -> Tensor:
    """Points (n, 64) in the unit ball, around 10,000 centres, into one another."""
    g = torch.Generator().manual_seed(seed)
    centres = torch.randn(10_000, DIM, generator=g)
    own = torch.randint(len(centres), (n,), generator=g)
    points = centres[own] + SPREAD * torch.randn(n, DIM, generator=g)
    inside: Tensor = points / points.norm(dim=1).max()
    return inside


def index_speed(n: int = 1_000_000) -> list[dict[str, object]]:
    """A row for each kind of index, each built once: one takes half an hour."""
    neighbour_index.find_faiss().omp_set_num_threads(1)
    points = clustered(n + 2 * QUERIES, seed=0)
    rows, typical, queries = points.tensor_split([n, n + QUERIES])
    exact, table = None, []
    for kind in neighbour_index.KINDS:
        start = time.perf_counter()
        index = neighbour_index.build_index(rows, kind, queries=typical)  # type: ignore[arg-type]
        built = time.perf_counter() - start
        start = time.perf_counter()
        _, neighbours = index.search(queries.numpy(), K)
        rate = QUERIES / (time.perf_counter() - start)
        exact = neighbours if exact is None else exact
        table.append(
            {
                "index": kind,
                "points": n,
                "seconds to build": f"{built:.1f}",
                "queries per second": f"{rate:.0f}",
                "recall@10": f"{neighbour_index.share_found(neighbours, exact):.4f}",
            }
        )
        print(table[-1], flush=True)
    return table
