"""On a CUDA device: eager, compiled, and compiled in bfloat16."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import LambdaCallback
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.benchmark import Timer

from benchmarks import generative, generative_loops, ranking
from benchmarks.comparison import Row, seconds
from benchmarks.fitting import fit
from benchmarks.timing import Spent
from benchmarks.work import count
from lightning_modules import WGANGP, ResNetCritic, ResNetGenerator

IMAGE = (3, 32, 32)
MODES = {  # whether it is compiled, and the precision
    "eager": (False, "32-true"),
    "compiled": (True, "32-true"),
    "compiled, bfloat16": (True, "bf16-mixed"),
}


_Steps = Callable[[int], Spent]
"""Takes some generator updates, and says what they cost."""


def modes(device: str) -> dict[str, tuple[bool, str]]:
    """How the module is run; on a CPU as it is."""
    return MODES if device == "cuda" else {"eager": MODES["eager"]}


def _resnets() -> tuple[nn.Module, nn.Module]:
    return ResNetGenerator(128, IMAGE), ResNetCritic(IMAGE, norm="none")


def pairs() -> dict[str, generative.Pair]:
    """The networks that are trained."""
    small = {n: generative.PAIRS[n] for n in ("points", "digits", "mnist-64")}
    big = {
        f"resnet-{n}": generative.Pair(IMAGE, n, _resnets, "32 x 32, ResNet 128")
        for n in (64, 512)
    }
    return small | big


def peak_memory(device: str) -> int:
    """Bytes at the highest point since the last call."""
    if device != "cuda":
        return 0
    peak = torch.cuda.max_memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    return peak


def wgan_gp_rows(device: str, pair: generative.Pair, steps: int) -> list[Row]:
    """One WGAN-GP in all modes, in turn; the first run of a mode compiles.

    Args:
        device: ``cuda``, or ``cpu`` to try the script.
        pair: Its networks.
        steps: Generator updates of each mode; half of them, then the other half when
            the other modes had their turn.
    """
    data = generative.RandomRows(pair.shape, pair.batch)
    flops = _flops(pair)
    rows, runs, walls = dict[str, Row](), dict[str, _Steps](), dict[str, float]()
    for mode, (compiled, precision) in modes(device).items():
        torch.manual_seed(0)
        module = WGANGP(*pair.networks(), compile=compiled)
        run = _run(device, module, data, precision=precision)
        run(4)
        rows[mode] = {
            "case": f"wgan_gp: {pair.described}, batch {pair.batch}",
            "variant": mode,
        }
        if module.compile_failed:
            rows[mode]["state"] = "could not be compiled"
        else:
            runs[mode] = run
    for mode in (*runs, *reversed(runs)):
        peak_memory(device)
        wall = runs[mode](max(1, steps // 2)).wall / max(1, steps // 2)
        walls[mode] = min(wall, walls.get(mode, wall))
        rows[mode]["peak memory"] = f"{peak_memory(device) / 2**20:.0f} MiB"
    for mode, wall in walls.items():
        rate = matrix_rate(device, modes(device)[mode][1])
        rows[mode] |= {
            "generator update": seconds(wall),
            "beside eager": f"{wall / walls['eager']:.2f}",
            "real images a second": f"{5 * pair.batch / wall:,.0f}",
            "share of the matrix rate": f"{flops / wall / rate:.1%}",
            "launching kernels": f"{_launches(runs[mode]):.0%}",
        }
    return list(rows.values())


def _run(device: str, module: pl.LightningModule, data: Any, **options: Any) -> _Steps:
    def wait(*_: object) -> None:
        """Let the clock start and stop only when all kernels have run."""
        if device == "cuda":
            torch.cuda.synchronize()

    waiting = LambdaCallback(on_train_start=wait, on_train_end=wait)
    where = {"accelerator": device, "devices": 1, "callbacks": [waiting]}
    return lambda steps: fit(module, data, steps, **where, **options)


def _flops(pair: generative.Pair) -> int:
    """Of one generator update and its critic updates, counted on the CPU for 2 rows."""
    loop = generative_loops.Loop.of("wgan_gp", replace(pair, batch=2))
    steps = generative_loops.bare_critic, generative_loops.bare_generator
    updates = generative_loops.updates(loop, *steps)
    return count(lambda: updates(1)) * pair.batch // 2


def matrix_rate(device: str, precision: str, side: int = 4096) -> float:
    """Floating-point operations a second of a large product."""
    dtype = torch.float32 if precision == "32-true" else torch.bfloat16
    side = side if device == "cuda" else 256
    a = torch.randn(side, side, device=device, dtype=dtype)
    calls = 20
    product = Timer("a @ a", globals={"a": a})
    return float(2.0 * side**3 / product.timeit(calls).mean)


def _launches(run: Callable[[int], Spent]) -> float:
    """Share of the host's time that goes into launching kernels."""
    activities = [ProfilerActivity.CPU, ProfilerActivity.CUDA]
    if not torch.cuda.is_available():
        activities = activities[:1]
    with profile(activities=activities) as profiler:
        spent = run(5)
    launched = sum(
        e.self_cpu_time_total for e in profiler.key_averages() if "Launch" in e.key
    )
    return float(launched * 1e-6 / spent.wall)


def ranker_rows(device: str, shop: ranking.Shop, steps: int) -> list[Row]:
    """CML on so many items."""
    module = ranking.module()
    run = _run(device, module, shop)
    run(4)
    peak_memory(device)
    spent = run(steps)
    row = {
        "case": f"cml: d 64, U 20, 4,096 pairs, {shop.sizes[1]:,} items",
        "variant": "eager",
        "generator update": seconds(spent.wall / steps),
        "real images a second": f"{ranking.BATCH * steps / spent.wall:,.0f} pairs",
        "peak memory": f"{peak_memory(device) / 2**20:.0f} MiB",
    }
    return [row]
