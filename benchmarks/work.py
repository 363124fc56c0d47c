"""Floating-point work of a critic step, by what the machine's matrix product does."""

from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from benchmarks import generative, generative_loops
from benchmarks.comparison import Goal, Row, seconds, verdict
from benchmarks.timing import timed

Step = Callable[[], object]
CASES: tuple[tuple[generative.Method, str, int, Goal | None], ...] = (
    ("gan", "points", 60, None),
    ("wgan", "points", 60, None),
    ("wgan_gp", "points", 40, Goal(least=0.80)),
    ("wgan_gp", "digits", 40, None),
    ("wgan_gp", "mnist", 12, Goal(least=0.75)),
    ("wgan_gp", "mnist-64", 4, None),
)
SIDE = 2048


def matrix_rate(calls: int = 4) -> float:
    """Floating-point operations a second of a large product, float32."""
    a, b = torch.randn(SIDE, SIDE), torch.randn(SIDE, SIDE)
    return 2.0 * SIDE**3 / _time(lambda: a @ b, calls)


def work(rounds: int) -> list[Row]:
    """Counted work, time and share of the limit of every method's critic step.

    Each round measures the product of matrices right before and after the step, since
    the machine is faster at some times than at others.
    """
    return [
        _case(*case, rounds=rounds)  # one step is one critic update, by the bare loop
        for case in CASES
    ]


def critic_step(method: generative.Method, name: str) -> Step:
    """One update of the critic by the bare loop."""
    pair = generative.PAIRS[name]
    loop = generative_loops.Loop.of(method, pair)
    real = next(loop.batches())
    return lambda: generative_loops.bare_critic(loop, real)


def _case(
    method: generative.Method, name: str, calls: int, goal: Goal | None, rounds: int
) -> Row:
    pair, step = generative.PAIRS[name], critic_step(method, name)
    flops = count(step)
    times, limits = [], []
    for _ in range(rounds):
        before = matrix_rate()
        times.append(_time(step, calls))
        limits.append((before + matrix_rate()) / 2)
    pairs = list(zip(times, limits, strict=True))
    share = median(flops / time / limit for time, limit in pairs)
    text = f"at least {goal.least:.0%}" if goal else ""
    return {
        "case": f"{method}: {pair.described}, batch {pair.batch}",
        "work": f"{flops / 1e9:.3f} GFLOP",
        "time": seconds(median(times)),
        "matrix product": f"{median(limits) / 1e9:.0f} GFLOP/s",
        "share of the limit": f"{share:.0%}",
        "goal": verdict(text, goal.met(share)) if goal else "",
        "where the time goes": ", ".join(_profile(step, calls)),
    }


def _time(call: Step, calls: int) -> float:
    """Seconds of a call, after a first one that does not count."""
    call()
    return timed(call, calls).wall / calls


def _profile(step: Step, calls: int, most: int = 6) -> Iterator[str]:
    """The operations that take the most time of their own."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(calls):
            step()
    events = profiler.key_averages()
    total = sum(e.self_cpu_time_total for e in events)
    events.sort(key=lambda e: -e.self_cpu_time_total)
    for event in events[:most]:
        yield f"{event.key} {event.self_cpu_time_total / total:.0%}"


class FlopCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts within a ``with`` block.

    torch's `FlopCounterMode` follows modules as well, for which it asks the backward
    pass for nodes that `torch.autograd.grad` does not have.

    >>> import torch
    >>> with FlopCounter() as counter:
    ...     _ = torch.ones(2, 3) @ torch.ones(3, 5)
    >>> counter.flops
    60
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops: int = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Run an operation and add what it costs."""
        out = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.flops += formula(*args, **(kwargs or {}), out_val=out)
        return out


def count(call: Callable[[], object]) -> int:
    """Of one call."""
    with FlopCounter() as counter:
        call()
    return int(counter.flops)
