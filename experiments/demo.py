"""Train a WGAN-GP on one half of scikit-learn's digits, evaluate it on the other.

    make demo        # or: python -m experiments.demo [--seed 0]

It prints the critic's estimate beside exact Wasserstein-1 distances, how far samples
can be told from digits, and which digits they are. It needs no network and no GPU.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from callbacks import averaged_network, run_directory
from experiments.jobs import command_parser
from experiments.provenance import ROOT, require_root
from lightning_modules.core.recipe import load_network
from lightning_modules.functional.transport import wasserstein_distance
from lightning_modules.functional.two_sample import (
    distinct_nearest_rows,
    nearest_neighbour_two_sample_accuracy,
)
from lightning_modules.generative.base import GenerativeModule


class StartAndEnd(Callback):
    """Exact W1 between samples and the held-out digits, before and after training."""

    def __init__(self) -> None:
        self.distances: list[float] = []
        self.samples = torch.empty(0)
        self.seconds = 0.0

    def _evaluate(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, GenerativeModule)
        held_out = trainer.datamodule.real("test")  # type: ignore[attr-defined]
        with averaged_network(trainer, pl_module):
            self.samples = pl_module.sample(len(held_out)).cpu()
        self.distances.append(exact(self.samples, held_out))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Evaluate the untrained generator and start the clock."""
        self._evaluate(trainer, pl_module)
        self.seconds = time.monotonic()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clock and evaluate the trained generator."""
        self.seconds = time.monotonic() - self.seconds
        self._evaluate(trainer, pl_module)


def exact(x: Tensor, y: Tensor) -> float:
    """Exact Wasserstein-1 distance of two sets of images."""
    return float(wasserstein_distance(x.flatten(1), y.flatten(1)))


def demo(seed: int = 0, arguments: Sequence[str] = ()) -> dict[str, float]:
    """Train, print the summary, return its numbers."""
    from wasserstein_critics.cli.app import command_line

    started = time.monotonic()
    # Networks this small are fastest on one thread; two of them wait for each other,
    # and crawl when another process wants a core.
    torch.set_num_threads(1)
    say("[1/3] training a WGAN-GP on one half of the digits, two to three minutes ...")
    ends = StartAndEnd()
    config = ROOT / "configs" / "wgan_gp" / "digits.yaml"
    words = ["fit", f"--config={config}", f"--seed_everything={seed}"]
    cli = command_line([*words, f"--data.seed={seed}", *arguments], callbacks=[ends])
    say("[2/3] comparing its samples with the half that it has not seen ...")
    held_out = cli.datamodule.real("test")
    training = cli.datamodule.real("train")[: len(held_out)]
    flat = ends.samples.flatten(1)
    halves = exact(training, held_out)
    metrics = {
        "steps": float(cli.trainer.global_step),
        "fit_seconds": ends.seconds,
        **_estimates(cli.trainer),
        "w1_start": ends.distances[0],
        "w1_end": ends.distances[1],
        "w1_halves": halves,
        "w1_ratio": ends.distances[1] / halves,
        "two_sample_accuracy": nearest_neighbour_two_sample_accuracy(
            flat, held_out.flatten(1)
        ),
        "distinct_neighbours": distinct_nearest_rows(flat, training.flatten(1)),
    }
    say("[3/3] training a classifier on the same half, to name its samples ...")
    shares = class_shares(ends.samples)
    metrics |= {"min_class_share": min(shares), "max_class_share": max(shares)}
    seconds = time.monotonic() - started
    _print(metrics, shares, run_directory(cli.trainer), seconds)
    return metrics


def say(line: str) -> None:
    """Print at once, also into a pipe: the next step takes a while."""
    print(line, flush=True)


def _estimates(trainer: Trainer) -> dict[str, float]:
    """The critic's last estimates, as `TransportMonitor` records them."""
    names = ("wasserstein_raw", "critic_slope", "wasserstein_per_slope")
    logged = trainer.callback_metrics
    return {name: float(logged[f"train/{name}"]) for name in names}


def class_shares(samples: Tensor) -> list[float]:
    """Share of each digit among samples, by a classifier trained on the same half."""
    from wasserstein_critics.cli.app import command_line

    config = ROOT / "configs" / "classifier" / "digits.yaml"
    quiet = (
        f"--trainer.enable_{part}=false" for part in ("progress_bar", "model_summary")
    )
    cli = command_line(["fit", f"--config={config}", *quiet])
    network = load_network(run_directory(cli.trainer) / "network.safetensors")
    with torch.no_grad():
        classes = network(samples).argmax(1)
    shares: list[float] = (classes.bincount(minlength=10) / len(classes)).tolist()
    return shares


def _print(
    metrics: dict[str, float], shares: list[float], run: Path, seconds: float
) -> None:
    m = metrics
    grids = (run / "images" / "samples").glob("*.png")
    last_grid = max(grids, key=lambda path: int(path.stem), default="none")
    percent = " ".join(f"{100 * share:.1f}" for share in shares)
    rows: list[tuple[str, Any]] = [
        ("generator updates", f"{m['steps']:.0f} in {m['fit_seconds']:.0f} s"),
        ("critic's estimate of W1", f"{m['wasserstein_raw']:.3f}"),
        ("  per unit of its slope", f"{m['wasserstein_per_slope']:.3f}"),
        ("exact W1 at the start", f"{m['w1_start']:.3f}"),
        ("exact W1 at the end", f"{m['w1_end']:.3f}"),
        ("  between the two halves", f"{m['w1_halves']:.3f}  (what real digits reach)"),
        ("  ratio", f"{m['w1_ratio']:.3f}"),
        ("1-NN two-sample accuracy", f"{m['two_sample_accuracy']:.3f}  (0.5 is ideal)"),
        ("nearest training digits", f"{m['distinct_neighbours']:.0f} different ones"),
        ("share of the digits 0 to 9", f"{percent} %"),
        ("sample grid", last_grid),
        ("generator", run / "generator.safetensors"),
        ("report, for a browser", run / "report.html"),
        ("all of this took", f"{seconds:.0f} s"),
    ]
    print("\nWGAN-GP on 899 of 1,797 digits; 898 samples against the 898 held out")
    for name, value in rows:
        print(f"  {name:<28}{value}")


if __name__ == "__main__":
    require_root()
    parser = command_parser("experiments.demo", __doc__)
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    demo(parser.parse_args().seed)
