"""Fold-in: rows for users who were not trained on, from their items, items fixed."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from lightning_modules.core.random import RandomStream
from lightning_modules.data_contracts.user_items import UserItems
from lightning_modules.recommendation.pairwise import PairBatch

STEPS = 200
RATE = 0.1
"""Adam's first rate, in units of a trained entry's size; it falls to 0."""
PAIRS = 4096  # interactions of the users that are folded in together


def many_hot(history: UserItems) -> Tensor:
    """Zeros, and 1 at each user's items, float32 (n_users, n_items)."""
    rows = torch.zeros(history.n_users, history.n_items, device=history.items.device)
    rows[history.users, history.items] = 1
    return rows


def ridge_rows(history: UserItems, items: Tensor, l2: float, alpha: float) -> Tensor:
    r"""Factors of users by weighted least squares, the half step of `WRMF`.

    .. math:: u = (V^\top V + (\alpha - 1) V_S^\top V_S + \lambda I)^{-1} \alpha
              \sum_{j \in S} v_j

    Args:
        history: The items S of each user.
        items: Factors V (n_items, d).
        l2: Lambda.
        alpha: Confidence in an interaction.

    >>> one = UserItems.from_pairs(torch.tensor([0]), torch.tensor([1]), 1, 2)
    >>> ridge_rows(one, torch.eye(2), l2=1.0, alpha=3.0)
    tensor([[0.0000, 0.7500]])
    """
    wide = items.double()
    gram = wide.T @ wide + l2 * torch.eye(wide.shape[1]).to(wide)
    rows = []
    for user in torch.split(history.items, history.counts.tolist()):
        own = wide[user]
        rows.append(
            torch.linalg.solve(gram + (alpha - 1) * own.T @ own, alpha * own.sum(0))
        )
    return torch.stack(rows).to(items)


def descended_rows(
    history: UserItems,
    items: Tensor,
    draw: Callable[[RandomStream], Tensor],
    loss: Callable[[Tensor, PairBatch], Tensor],
    project: Callable[[Tensor], Tensor] = torch.Tensor.detach,
    shared: bool = False,
) -> Tensor:
    """Rows of users that descend a method's loss from the mean of their items.

    All users of a step are compared with the same candidates, so that a user's row
    does not depend on who is folded in beside.

    Args:
        history: The items of each user, at least one.
        items: Rows of the items, (n_items, d).
        draw: Candidates of a step, int64 (1, U).
        loss: Of the users' rows (n, d) and a batch of all their interactions, in which
            users are numbered from 0.
        project: Applied after each step.
        shared: Whether the loss takes distinct users and the owners of their pairs.

    Returns:
        Rows (n_users, d), without gradients.
    """
    scale = float(items.square().mean().sqrt())
    rows = [
        _descended(part, items, draw, loss, project, RATE * scale, shared)
        for part in _parts(history)
    ]
    return torch.cat(rows)


def _parts(history: UserItems) -> Iterator[UserItems]:
    """A few users at a time."""
    part = history.starts[1:].sub(1).div(PAIRS, rounding_mode="floor")
    _, sizes = torch.unique_consecutive(part, return_counts=True)
    first = 0
    for size in sizes.tolist():
        starts = history.starts[first : first + size + 1]
        own = history.items[starts[0] : starts[-1]]
        yield UserItems(starts - starts[0], own, history.n_items)
        first += size


def _descended(
    history: UserItems,
    items: Tensor,
    draw: Callable[[RandomStream], Tensor],
    loss: Callable[[Tensor, PairBatch], Tensor],
    project: Callable[[Tensor], Tensor],
    rate: float,
    shared: bool,
) -> Tensor:
    noise = RandomStream(0, 0, "fold in", items.device)
    users = torch.arange(history.n_users, device=items.device)
    owner, rows = history.users, _means(history, items)
    adam = torch.optim.Adam([rows.requires_grad_()], lr=rate, betas=(0.5, 0.9))
    fall = torch.optim.lr_scheduler.LinearLR(adam, 1.0, 0.0, STEPS)
    with torch.enable_grad():
        for _ in range(STEPS):
            candidates = draw(noise).expand(len(users), -1)
            allowed = ~history.contain(users[:, None], candidates)
            batch = PairBatch(users, history.items, candidates, allowed, owner)
            batch = batch if shared else batch.apart()
            (rows.grad,) = torch.autograd.grad(loss(rows, batch), rows)
            adam.step()
            fall.step()
            rows.data.copy_(project(rows.detach()))
    return rows.detach()


def _means(history: UserItems, items: Tensor) -> Tensor:
    """The mean of each user's items, (n_users, d)."""
    sums = items.new_zeros(history.n_users, items.shape[1])
    sums.index_add_(0, history.users, items[history.items])
    return sums / history.counts[:, None]


def cosines(rows: Tensor, items: Tensor) -> Tensor:
    """Cosines (n, m) between rows (n, d) and items (m, d)."""
    one, other = (torch.nn.functional.normalize(x, dim=1) for x in (rows, items))
    return one @ other.T
