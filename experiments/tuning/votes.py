"""How far runs agree with what most runs predict (Hu et al. 2024)."""

import statistics
from base64 import b64decode, b64encode
from collections.abc import Sequence
from zlib import compress, decompress

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from experiments.records import Record


def packed(classes: Tensor) -> str:
    """Predicted classes, int64 (n,) below 256, as text for a record.

    >>> import torch
    >>> unpacked(packed(torch.tensor([1, 0, 9]))).tolist()
    [1, 0, 9]
    """
    return b64encode(compress(classes.numpy().astype(np.uint8).tobytes(), 9)).decode()


def unpacked(text: str) -> NDArray[np.uint8]:
    """The classes that `packed` wrote."""
    return np.frombuffer(decompress(b64decode(text)), np.uint8)


def agreement(scored: Sequence[Record], voters: Sequence[Record]) -> list[float]:
    """Share of rows where a candidate predicts what most runs do.

    An average of many networks is rarely worse than the middle one of them, and a run
    that equals source only agrees with itself alone. Where k classes have as many
    votes, each counts 1 / k.

    Args:
        scored: Records with ``tasks``, each with ``predicted``, one text for each seed.
        voters: Records of all candidates of all methods, of which every run has a vote.

    Returns:
        The mean over tasks and seeds, for each record that is scored.

    References:
        Hu et al. 2024, Towards reliable model selection for unsupervised domain
        adaptation: an empirical study and a certified baseline, NeurIPS.
    """
    tasks = {task for record in voters for task in record["tasks"]}
    won = {task: _won(_runs(voters, task)) for task in tasks}
    return [
        statistics.mean(
            float(won[task][np.arange(len(run)), run].mean())
            for task in record["tasks"]
            for run in _runs([record], task)
        )
        for record in scored
    ]


def _runs(records: Sequence[Record], task: str) -> NDArray[np.uint8]:
    """What all runs of a task predict, (runs, rows)."""
    texts = [text for r in records for text in r["tasks"][task]["predicted"]]
    return np.stack([unpacked(text) for text in texts])


def _won(runs: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Of each row and class, 1 if it has most votes, 1 / k if k classes do, else 0."""
    votes = np.stack([(runs == k).sum(0) for k in range(runs.max() + 1)], 1)
    most = votes == votes.max(1, keepdims=True)
    won: NDArray[np.float64] = most / most.sum(1, keepdims=True)
    return won
