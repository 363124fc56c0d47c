"""What critics estimate between two Gaussians, one of them a frozen generator.

Real points are N((t, 0), I), generated ones N(0, I), so W1 is exactly t. The penalised
problem of WGAN-GP has its optimum at t (1 + t / (2 lambda)), see docs/theory.md; a
clipped critic estimates W1 in a unit that depends on clip, width and t. Divided by the
critic's mean slope on the lines of the exact plan, both come back to W1.

    python -m experiments.studies.two_gaussians

writes docs/results/two_gaussians.csv and docs/figures/two_gaussians.png and prints the
table; about two minutes on one core.
"""

import argparse
import csv
import io
import shlex
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.optim.lr_scheduler import LinearLR

from callbacks.plotting.plots import BLUE, GREY, RED
from callbacks.runs.run_config import git_commit
from experiments.provenance import ROOT
from lightning_modules import WGAN, WGANGP, MLPCritic, WGANGPAdam, WGANRMSprop
from lightning_modules.core.files import write_whole
from lightning_modules.core.random import RandomStream
from lightning_modules.functional.lipschitz import gradient_norm, interpolate
from lightning_modules.functional.slope import estimate_on_plan
from lightning_modules.functional.transport import optimal_pairs

DOCS = ROOT / "docs"
SHIFTS = (1.0, 3.0, 10.0)
Method = Literal["wgan_gp", "wgan"]
CELLS: tuple[tuple[Method, int], ...] = (
    ("wgan_gp", 64),
    ("wgan_gp", 128),
    ("wgan", 64),
    ("wgan", 128),
    ("wgan", 256),
)


@dataclass(frozen=True)
class Row:
    """One critic, trained to the end.

    Attributes:
        shift: t, which is W1 of the two distributions.
        penalty_weight: lambda of WGAN-GP; 0 for WGAN.
        estimate: mean f(real) - mean f(generated) on 100,000 fresh points each.
        closed_form: t (1 + t / (2 lambda)) for WGAN-GP; nan for WGAN.
        slope: Mean gradient norm on the lines of an exact plan of 1,000 points.
        lipschitz: Largest gradient norm at 32 points of each of those lines.
        per_slope: ``estimate / slope``.
        plan_estimate: The critic's estimate on those 1,000 points.
        plan_exact: Exact W1 between them.
    """

    method: Method
    shift: float
    penalty_weight: float
    width: int
    seed: int
    estimate: float
    closed_form: float
    slope: float
    lipschitz: float
    per_slope: float
    plan_estimate: float
    plan_exact: float


class FrozenGaussian(nn.Module):
    """A generator that has nothing to learn: latents are the samples."""

    latent_dim = 2

    def forward(self, latent: Tensor) -> Tensor:
        """Latents (n, 2), as they are."""
        return latent


def module_of(
    method: Method, width: int, penalty_weight: float = 10.0
) -> WGAN | WGANGP:
    """The method with a critic of three hidden layers and the frozen generator."""
    critic = MLPCritic((2,), hidden=(width,) * 3, init="default")
    if method == "wgan":
        return WGAN(FrozenGaussian(), critic, critic_optimizer=lambda p: WGANRMSprop(p))
    return WGANGP(
        FrozenGaussian(),
        critic,
        penalty_weight=penalty_weight,
        critic_optimizer=lambda p: WGANGPAdam(p, lr=1e-3),
    )


def train_critic(
    method: Method,
    shift: float,
    width: int,
    *,
    penalty_weight: float = 10.0,
    seed: int = 0,
    steps: int = 1000,
    batch_size: int = 256,
) -> Row:
    """Train one critic against the frozen generator and measure it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = module_of(method, width, penalty_weight)
    module.noise = RandomStream(seed, 0, "train")
    data = RandomStream(seed, 0, "data")
    optimizer = module._optimizer_factories[0](module.critic.parameters())
    decay = LinearLR(optimizer, 1.0, 0.05, total_iters=steps)
    for _ in range(steps):
        loss = module.critic_objective(_real(data, batch_size, shift))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        module.after_critic_step()
        decay.step()
    return _measure(module, method, shift, width, seed)


def _real(noise: RandomStream, n: int, shift: float) -> Tensor:
    return noise.normal(n, 2) + torch.tensor([shift, 0.0])


@torch.no_grad()
def _measure(
    module: WGAN | WGANGP, method: Method, shift: float, width: int, seed: int
) -> Row:
    critic, noise = module.critic, RandomStream(seed, 0, "measure")
    real, fake = _real(noise, 100_000, shift), noise.normal(100_000, 2)
    estimate = float(critic(real).mean() - critic(fake).mean())
    real, fake = real[:1000], fake[:1000]
    plan = estimate_on_plan(critic, real, fake, noise.uniform(1000))
    rows, cols = optimal_pairs(real, fake)
    points = [
        interpolate(real[rows], fake[cols], torch.full((1000,), share))
        for share in torch.linspace(0, 1, 32).tolist()
    ]
    weight = getattr(module, "penalty_weight", 0.0)
    return Row(
        method=method,
        shift=shift,
        penalty_weight=weight,
        width=width,
        seed=seed,
        estimate=estimate,
        closed_form=shift * (1 + shift / (2 * weight)) if weight else float("nan"),
        slope=float(plan.slope),
        lipschitz=float(gradient_norm(critic, torch.cat(points)).max()),
        per_slope=estimate / float(plan.slope),
        plan_estimate=float(plan.raw),
        plan_exact=float(plan.exact),
    )


def study(seeds: Iterable[int], steps: int) -> list[Row]:
    """All rows of the table, printed as they are finished."""
    print(TITLES)
    rows = []
    for seed in seeds:
        for method, width in CELLS:
            for shift in SHIFTS:
                rows.append(train_critic(method, shift, width, seed=seed, steps=steps))
                print(line(rows[-1]), flush=True)
    return rows


TITLES = (
    "method   lambda width  t=W1   estimate  est./t  closed form  "
    "mean slope  est./slope  (est./slope)/t  est./(max slope*t)"
)


def line(row: Row) -> str:
    """One row of the printed table."""
    return (
        f"{row.method:8} {row.penalty_weight:6g} {row.width:5d} {row.shift:5g} "
        f"{row.estimate:10.4g} {row.estimate / row.shift:7.3g} {row.closed_form:12.4g} "
        f"{row.slope:11.4g} {row.per_slope:11.4g} {row.per_slope / row.shift:14.3f} "
        f"{row.estimate / (row.lipschitz * row.shift):19.3f}"
    )


def write_csv(rows: list[Row], path: Path) -> None:
    """Write the rows, headed by the command and the commit that made them."""
    text = io.StringIO()
    text.write(f"# command: python {shlex.join(sys.argv)}\n")
    text.write(f"# commit: {git_commit()}\n")
    table = csv.DictWriter(text, list(asdict(rows[0])), lineterminator="\n")
    table.writeheader()
    for row in rows:
        cells: dict[str, Any] = asdict(row)
        table.writerow(
            {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in cells.items()}
        )
    write_whole(path, text.getvalue())


def draw(rows: list[Row], path: Path) -> None:
    """Draw estimate and normalised estimate over t."""
    figure = Figure(figsize=(12, 4), dpi=110, layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    shift = torch.linspace(0.8, 11, 50)
    left.plot(shift, 1 + shift / 20, color=GREY, label="1 + t / (2 lambda)")
    gp = [row for row in rows if row.method == "wgan_gp"]
    clipped = [row for row in rows if row.method == "wgan"]
    _lines(left, gp, lambda row: row.estimate / row.shift)
    left.set(title="WGAN-GP, lambda 10: estimate / W1", xlabel="t = W1")
    _lines(middle, clipped, lambda row: row.estimate / row.shift)
    middle.set(title="WGAN, clip 0.01: estimate / W1", xlabel="t = W1", yscale="log")
    right.axhspan(0.95, 1.05, color=GREY, alpha=0.25)
    right.axhline(1, color=GREY)
    _lines(right, rows, lambda row: row.per_slope / row.shift)
    right.set(
        title="both: estimate / mean slope / W1", xlabel="t = W1", ylim=(0.8, 1.1)
    )
    for axes, place in (
        (left, "upper left"),
        (middle, (0.55, 0.2)),
        (right, "lower left"),
    ):
        axes.legend(fontsize=8, loc=place)
    content = io.BytesIO()
    figure.savefig(content, format="png")
    write_whole(path, content.getvalue())


def _lines(axes: Axes, rows: list[Row], value: Any) -> None:
    marks = {64: "o", 128: "s", 256: "^"}
    for method, width in sorted({(row.method, row.width) for row in rows}):
        own = [r for r in rows if (r.method, r.width) == (method, width)]
        means = [
            sum(value(r) for r in own if r.shift == t) / sum(r.shift == t for r in own)
            for t in SHIFTS
        ]
        name = {"wgan": "WGAN", "wgan_gp": "WGAN-GP"}[method]
        axes.plot(
            SHIFTS,
            means,
            marker=marks[width],
            color=RED if method == "wgan" else BLUE,
            linestyle="--" if method == "wgan" else "-",
            label=f"{name}, width {width}",
        )


def main(arguments: list[str] | None = None) -> None:
    """Run the study and write its table and figure."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0] if __doc__ else ""
    )
    parser.add_argument("--seeds", type=int, default=1, help="critics of each kind")
    parser.add_argument("--steps", type=int, default=1000, help="critic updates")
    parser.add_argument("--docs", type=Path, default=DOCS, help="where results go")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    started = time.monotonic()
    rows = study(range(options.seeds), options.steps)
    write_csv(rows, options.docs / "results" / "two_gaussians.csv")
    draw(rows, options.docs / "figures" / "two_gaussians.png")
    print(f"{len(rows)} critics in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
