"""docs/performance.md, made from the benchmarks' files; nothing is typed."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.comparison import Row
from benchmarks.lazy import quality
from experiments.records import RESULTS
from experiments.results.formats import markdown
from lightning_modules.core.files import write_whole

MEASURED = RESULTS.parent / "performance"
PAGE = RESULTS.parent / "performance.md"
HEADER = """# Performance

Made by `make bench` (`python -m benchmarks`), which times the variants of a case in
turn, one thread, and keeps each benchmark in `docs/performance/`. Times are
medians over the rounds, a first round not counted; a ratio is that of two wall times
of one round, its median with the quartiles in brackets. Memory is what was held at
the highest point above what was held before. The networks are named in `benchmarks/`.
"""
CIFAR10 = """\
python train.py fit --config configs/classifier/mnist.yaml --data CIFAR10 \
--data.image_size 32 --model.network.shape [3,32,32] \
--trainer.logger.init_args.name classifier-cifar10
python train.py fit --config configs/wgan_gp/cifar10.yaml --config configs/gpu.yaml \
--trainer.max_time 00:00:20:00 --trainer.callbacks+=FeatureMetrics \
--trainer.callbacks.classifier runs/classifier-cifar10/version_0/network.safetensors
RUN=runs/wgan_gp-cifar10/version_0
python train.py test --config $RUN/config.yaml --ckpt_path $RUN/checkpoints/last.ckpt"""
SECTIONS = {
    "training": (
        "`trainer.fit` beside a bare loop",
        "The bare loop does the same arithmetic by hand: same networks, optimizer, "
        "batch. Both go on in turn, a few updates each, so that a ratio is of times "
        "a second apart.",
    ),
    "reference": (
        "`trainer.fit` beside a reference implementation",
        "The reference keeps the graph of the fakes, scores real and fake apart, "
        "goes backward once for each part of the loss, and computes the critic's "
        "gradients in the generator's step; its Adam is torch's own choice, ours is "
        "fused. For WDGRL it computes the features in every critic step, with our "
        "Adam.",
    ),
    "loading": (
        "Images read and shuffled",
        "Beside `DataLoader(torchvision.datasets.MNIST(transform=ToTensor()))`; the "
        "start of the workers is part of the time.",
    ),
    "startup": (
        "From the command to the first step",
        "With the files in the system's cache.",
    ),
    "penalty": (
        "Estimate and penalty, eager and compiled",
        "Loss and gradient of the critic's weights. Compiling is not in the times. "
        "The difference is the largest of a weight by the largest of its layer.",
    ),
    "work": (
        "Share of the machine's matrix product",
        "One critic update by the bare loop (fakes, loss, gradient, optimizer), its "
        "work counted by torch's flop counter, beside a product of two 2,048 x "
        "2,048 matrices that is measured right before and after. The profile's "
        "shares are of the time that each operation takes itself.",
    ),
    "scaling": (
        "How steps grow",
        "Beside the first row of each case.",
    ),
    "lazy": (
        "The penalty on every fourth critic update",
        "`penalty_every: 4`, four times as heavy. As no zeros are carried back, "
        "there is less to save than the goal supposed: the last column is the ratio of "
        "operations in matrix products and convolutions.",
    ),
    "accelerator": (
        "On a CUDA device",
        "`python -m benchmarks accelerator` on a machine that has one. What a WGAN-GP "
        "reaches on CIFAR-10 (in data/, else with `--data.root`) in 20 minutes, its "
        "FID in the features of a classifier that is trained first:\n\n"
        f"```bash\n{CIFAR10}\n```",
    ),
}


def write_page() -> None:
    """Rebuild the page from the files."""
    write_whole(PAGE, page_text())


def page_text() -> str:
    """The page, of the benchmarks that are finished."""
    parts = [HEADER]
    for name, (title, note) in SECTIONS.items():
        path = MEASURED / f"{name}.json"
        parts += [f"## {title}", note]
        parts += _measured(path) if path.exists() else ["Not run yet."]
        if name == "lazy" and (rows := quality()):
            parts.append(
                "What the generators of `configs/wgan_gp/grid25.yaml` have learnt; the "
                "records are those of docs/results.md."
            )
            parts.append(table(rows))
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _measured(path: Path) -> Iterator[str]:
    benchmark = json.loads(path.read_text())
    yield table(benchmark["rows"])
    yield (
        f"Command: `{benchmark['command']}`; commit {benchmark['commit']}; "
        f"{benchmark['hardware']}."
    )


def table(rows: Sequence[Row]) -> str:
    """A table of Markdown, its columns those of any row in their order.

    >>> print(table([{"variant": "a", "time": "1 s"}, {"variant": "b"}]))
    | variant | time |
    |---|---|
    | a | 1 s |
    | b |  |
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    return markdown([names, *([str(row.get(n, "")) for n in names] for row in rows)])
