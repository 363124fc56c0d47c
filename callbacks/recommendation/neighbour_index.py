"""Indices of nearest neighbours among many points (faiss)."""

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lightning_modules.core.validation import check_choice

Kind = Literal["flat", "hnsw", "ivf"]
KINDS: tuple[str, ...] = get_args(Kind)
QUERIES, NEIGHBOURS, RECALL = 256, 10, 0.995  # of these queries' neighbours


def build_index(
    points: Tensor,
    kind: Kind,
    inner_product: bool = False,
    queries: Tensor | None = None,
    numbers: Tensor | None = None,
) -> Any:
    """An index of points, searched with ``index.search(queries, k)``.

    ``flat`` compares with every point and is exact. ``hnsw`` walks a graph of
    neighbours (Malkov and Yashunin, arXiv:1603.09320): slow to build, quick to search.
    ``ivf`` looks into the cells of k-means that are nearest to the query. Both can miss
    a neighbour: they search as widely as it takes to find 99.5 % of the 10 neighbours
    of 256 queries. The width, ``index.hnsw.efSearch`` or ``index.nprobe``, is kept with
    the index and may be changed.

    Args:
        points: Shape (n, d), float32.
        kind: Which index.
        inner_product: Whether near means a large product instead of a small distance.
        queries: Such as will be looked for, (m, d). None takes points, which are found
            more easily than others.
        numbers: What searches give for the points, int64 (n,); None counts from 0.

    Raises:
        ValueError: If the kind is another, or faiss is not installed.

    >>> import torch
    >>> index = build_index(torch.eye(3), "flat")
    >>> index.search(torch.eye(3)[1:2].numpy(), 1)[1].tolist()
    [[1]]
    """
    faiss = find_faiss()
    check_choice("index", kind, KINDS)
    rows = np.ascontiguousarray(points.detach().cpu().float().numpy())
    n, d = rows.shape
    metric = faiss.METRIC_INNER_PRODUCT if inner_product else faiss.METRIC_L2
    index: Any = faiss.IndexFlat(d, metric)
    if kind == "hnsw":
        index = faiss.IndexHNSWFlat(d, 32, metric)
        index.hnsw.efConstruction = 200
    if kind == "ivf":
        cells = max(1, min(round(n**0.5), n // 40))
        index = faiss.IndexIVFFlat(faiss.IndexFlat(d, metric), d, cells, metric)
        index.train(rows)
    result = index
    if numbers is None:
        index.add(rows)
    else:
        result = faiss.IndexIDMap2(index)
        result.add_with_ids(rows, numbers.numpy())
    if kind != "flat":
        trial = rows if queries is None else queries.detach().cpu().float().numpy()
        _widen(index, rows, np.ascontiguousarray(trial[:: -(-len(trial) // QUERIES)]))
    return result


def _widen(index: Any, rows: NDArray[Any], queries: NDArray[Any]) -> None:
    """Search as widely as it takes."""
    k = min(NEIGHBOURS, len(rows))
    metric = index.metric_type
    faiss = find_faiss()
    exact = faiss.knn(queries, rows, k, metric=metric)[1]
    ivf = isinstance(index, faiss.IndexIVF)
    most = index.nlist if ivf else len(rows)
    width = 1 if ivf else 2 * NEIGHBOURS
    while True:
        if ivf:
            index.nprobe = min(width, most)
        else:
            index.hnsw.efSearch = width
        found = index.search(queries, k)[1]
        if width >= most or share_found(found, exact) >= RECALL:
            return
        width += max(1, width // 4)


def share_found(found: NDArray[Any], exact: NDArray[Any]) -> float:
    """Share of the true neighbours, numbers (m, k), that are among those found (m, k).

    >>> share_found(np.array([[3, 1], [2, 9]]), np.array([[1, 3], [2, 5]]))
    0.75
    """
    return float((exact[:, :, None] == found[:, None, :]).any(2).mean())


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
