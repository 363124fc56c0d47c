"""Indices of nearest neighbours among many points (faiss)."""

from typing import Any, Literal, get_args

import numpy as np
from torch import Tensor

Kind = Literal["flat", "hnsw", "ivf"]
KINDS: tuple[str, ...] = get_args(Kind)


def build_index(points: Tensor, kind: Kind, inner_product: bool = False) -> Any:
    """An index of points, searched with ``index.search(queries, k)``.

    ``flat`` compares with every point and is exact. ``hnsw`` walks a graph of
    neighbours (Malkov and Yashunin, arXiv:1603.09320): slow to build, quick to search.
    ``ivf`` looks into the cells of k-means that are nearest to the query, a sixteenth
    of them. Both can miss a neighbour; docs/results.md has how often.

    Args:
        points: Shape (n, d), float32.
        kind: Which index.
        inner_product: Whether near means a large product instead of a small distance.

    Raises:
        ValueError: If the kind is another, or faiss is not installed.

    >>> import torch
    >>> index = build_index(torch.eye(3), "flat")
    >>> index.search(torch.eye(3)[1:2].numpy(), 1)[1].tolist()
    [[1]]
    """
    faiss = find_faiss()
    if kind not in KINDS:
        raise ValueError(f"index must be one of {', '.join(KINDS)}, got '{kind}'.")
    rows = np.ascontiguousarray(points.detach().cpu().float().numpy())
    n, d = rows.shape
    metric = faiss.METRIC_INNER_PRODUCT if inner_product else faiss.METRIC_L2
    index: Any = faiss.IndexFlat(d, metric)
    if kind == "hnsw":
        index = faiss.IndexHNSWFlat(d, 32, metric)
        index.hnsw.efConstruction, index.hnsw.efSearch = 200, 256
    if kind == "ivf":
        cells = max(1, min(round(n**0.5), n // 40))
        index = faiss.IndexIVFFlat(faiss.IndexFlat(d, metric), d, cells, metric)
        index.nprobe = max(1, -(-cells // 16))
        index.train(rows)
    index.add(rows)
    return index


def find_faiss() -> Any:
    """The package.

    Raises:
        ValueError: If it is not installed.
    """
    try:
        import faiss
    except ImportError:
        raise ValueError(
            "An index of neighbours needs faiss: pip install "
            "'wasserstein-critics[index]', or set index to none."
        ) from None
    return faiss
