"""All that is measured on a device, in the minutes that there are.

A part is kept as soon as it is finished, below ``runs/``; a later call goes on with
those that are missing, and trains on with the minutes that are left.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch

from benchmarks import accelerator, ranking
from benchmarks.comparison import Row
from benchmarks.device_checks import CHECKS, Check
from callbacks.report.run_files import read_run
from experiments import records
from experiments.provenance import commit, data_root, hardware
from experiments.records import RecordFile
from wasserstein_critics.cli import app

Part = Callable[[], list[Row]]
NOT_RUN: list[Row] = [{"state": "not run: no CUDA device"}]
CIFAR = ("labels.json", "cifar-10-batches-py")
"""What lies in a folder of CIFAR-10, in one of its forms."""
LEAST = 20.0  # seconds that a training is worth


def session(device: str, minutes: float, rounds: int) -> list[Row]:
    """Check, time and train on a device, and return all that was ever kept of it.

    Args:
        device: ``cuda``, or ``cpu`` to try the script, with less of everything.
        minutes: After these no part begins; the training ends with them.
        rounds: A timing takes 20 updates for each.
    """
    if device == "cuda" and not torch.cuda.is_available():
        return NOT_RUN
    torch.backends.cudnn.allow_tf32 = False  # the matrix product has none either
    end = time.monotonic() + 60 * minutes
    _say(f"{device_name(device)}; commit {commit()}; {hardware()}")
    kept = {record["part"] for record in _file(device).read()}
    for name, part in parts(device, rounds * 20):
        if name not in kept:
            _run(device, name, part, end)
    if (left := end - time.monotonic()) > LEAST:
        _run(device, "training", partial(trained, device, left), end)
    return [row for record in _file(device).read() for row in record["rows"]]


def device_name(device: str) -> str:
    """What the rows are about."""
    return torch.cuda.get_device_name() if device == "cuda" else "CPU"


def _file(device: str) -> RecordFile:
    folder = records.RUNS / "performance"
    return RecordFile(folder / f"{device}.jsonl", folder / device, ("part",))


def _run(device: str, name: str, part: Part, end: float) -> None:
    if time.monotonic() > end:
        _say(f"{name}: no time is left; call again")
        return
    rows = part()
    _file(device).add({"part": name, "rows": rows, "commit": commit()})
    for row in rows:
        _say(", ".join(f"{key} {value}" for key, value in row.items()))


def _say(text: str) -> None:
    print(text, flush=True)


def parts(device: str, steps: int) -> Iterator[tuple[str, Part]]:
    """What there is to measure, in order, without the training."""
    for name, check in CHECKS.items():
        yield f"check: {name}", partial(checked, device, name, check)
    pairs = accelerator.pairs()
    for name in pairs if device == "cuda" else ["digits"]:
        rows = partial(accelerator.wgan_gp_rows, device, pairs[name], steps)
        yield f"wgan_gp: {name}", rows
    for n_items in (10**6, 10**7) if device == "cuda" else ():
        shop = ranking.Shop(100_000, n_items)
        yield f"cml: {n_items}", partial(accelerator.ranker_rows, device, shop, steps)


def checked(device: str, name: str, check: Check) -> list[Row]:
    """Whether a check holds, and what it found."""
    try:
        said = f"holds: {check(device)}"
    except Exception as error:  # the others are still worth their time
        said = (
            f"**fails**: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
        )
    return [{"case": f"check: {name}", "state": said}]


def trained(device: str, seconds: float) -> list[Row]:
    """CIFAR-10 (on a CPU: 8 x 8 digits) for some seconds, on from where it was."""
    config = "wgan_gp/cifar10" if device == "cuda" else "wgan_gp/digits"
    found = sorted(p.parent for name in CIFAR for p in data_root().rglob(name))
    if device == "cuda" and not found:
        return [{"case": config, "state": f"not run: no CIFAR-10 in {data_root()}"}]
    folder = records.RUNS.parent / "accelerator"
    saved = sorted(folder.glob("*/version_*/checkpoints/last.ckpt"))
    words = ["fit", "--config", config, f"--trainer.logger.init_args.save_dir={folder}"]
    words += ["--callbacks.TransportMonitor", "false"]
    words += [f"--trainer.max_time={clock(seconds + sum(map(elapsed, saved[-1:])))}"]
    words += [f"--ckpt_path={path}" for path in saved[-1:]]
    if device == "cuda":
        root = f"--data.root={found[0]}"
        words += ["--config", "gpu", root, "--data.download=false"]
    if app.main(words):
        raise RuntimeError(f"the training of {config} failed, see above")
    return [reached(config, sorted(folder.glob("*/version_*"))[-1])]


def elapsed(path: Path) -> float:
    """Seconds of training before a checkpoint, by the clock of ``trainer.max_time``."""
    callbacks = torch.load(path, map_location="cpu", weights_only=True)["callbacks"]
    return float(callbacks["Timer"]["time_elapsed"]["train"])


def clock(seconds: float) -> str:
    """Days, hours, minutes and seconds, as ``trainer.max_time`` has them.

    >>> clock(3725.9)
    '00:01:02:05'
    """
    minutes, rest = divmod(int(seconds), 60)
    return f"00:{minutes // 60:02}:{minutes % 60:02}:{rest:02}"


def reached(config: str, folder: Path) -> Row:
    """How far a run came."""
    run = read_run(folder)
    step, value = (run.series.get("val/sliced_wasserstein") or [(0, float("nan"))])[-1]
    return {
        "case": config,
        "variant": f"{run.record['last_step']:,} generator updates",
        "val/sliced_wasserstein": f"{value:.4f} at step {step:,}",
    }
