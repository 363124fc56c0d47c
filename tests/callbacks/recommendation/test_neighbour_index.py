"""Indices of nearest neighbours find the nearest."""

import torch

from callbacks.recommendation.neighbour_index import build_index


def test_a_flat_index_is_exact_and_the_others_miss_little() -> None:
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(30, 8, generator=generator)
    rows = centres[torch.randint(30, (4000,), generator=generator)]
    rows = rows + 0.3 * torch.randn(4000, 8, generator=generator)
    queries = rows[:200] + 0.1
    exact = torch.cdist(queries, rows).topk(10, largest=False).indices
    for kind, least in (("flat", 1.0), ("hnsw", 0.99), ("ivf", 0.99)):
        index = build_index(rows, kind, queries=queries)  # type: ignore[arg-type]
        _, found = index.search(queries.numpy(), 10)
        pairs = zip(found.tolist(), exact.tolist(), strict=True)
        recall = sum(len(set(a) & set(b)) for a, b in pairs) / exact.numel()
        assert recall >= least, kind
