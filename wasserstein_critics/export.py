"""The subcommand ``export``: the networks of a run as a folder of their own."""

import argparse
import importlib.util
import io
import sys
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from pydoc import locate

import torch
from torch import Tensor, nn

from callbacks.plotting.images import image_grid, save_png
from callbacks.predictions.numbered_rows import build_directory
from callbacks.report.run_files import Run, read_run
from callbacks.runs.ema import load_averaged
from callbacks.runs.run_config import CHECKPOINTS
from lightning_modules.core.files import write_whole
from lightning_modules.core.hparams import method_class
from lightning_modules.core.module import AlternatingModule
from lightning_modules.core.old_files import upgraded
from lightning_modules.core.pretrained import CARD, write_model
from lightning_modules.core.recipe import recipe_of
from lightning_modules.data_contracts.contracts import DrawsSamples, RanksItems
from lightning_modules.generative.base import GenerativeModule
from wasserstein_critics.cli.checkpoints import read_checkpoint
from wasserstein_critics.cli.errors import UsageError, told
from wasserstein_critics.model_card import Exported, model_card
from wasserstein_critics.shipped import program

LEGENDS = ("users.parquet", "items.parquet")  # that ExportTables writes
SAMPLES, ONNX = "samples.png", "model.onnx"
TOLERANCE = 1e-4
"""How far what ONNX computes may be from torch."""


def export(words: Sequence[str]) -> int:
    """``export RUN``: write config, weights, card, samples and ONNX into a folder."""
    parser = argparse.ArgumentParser(
        prog=f"{program()} export",
        description="Write the networks of a run into a folder: safetensors, "
        "config.json, a model card made from the run, ONNX where it can be. "
        "`from_pretrained` of the method loads it; `hf upload USER/MODEL FOLDER` "
        "publishes it.",
    )
    parser.add_argument(
        "run", type=Path, help="folder of a run, as runs/<name>/version_0"
    )
    parser.add_argument(
        "--to", type=Path, help="folder to make; RUN/export-last by default"
    )
    parser.add_argument(
        "--ckpt_path", type=Path, help="checkpoint; checkpoints/last.ckpt by default"
    )
    parser.add_argument(
        "--license", help="licence of the weights, as apache-2.0; yours to choose"
    )
    parser.add_argument(
        "--onnx",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="write model.onnx",
    )
    parser.add_argument(
        "--trusted",
        nargs="+",
        default=[],
        metavar="CLASS",
        help="classes of your own that the checkpoint names, as mypackage.MyCritic",
    )
    options = parser.parse_args(words)
    try:
        folder = export_run(**vars(options))
    except Exception as error:
        return told(error)
    sys.stdout.write(f"wrote {folder}\n")
    return 0


def export_run(
    run: Path,
    to: Path | None = None,
    ckpt_path: Path | None = None,
    license: str | None = None,
    onnx: bool = True,
    trusted: Sequence[str] = (),
) -> Path:
    """Write the networks of a run into a new folder, whole or not at all.

    Args:
        run: The run's folder.
        to: The folder to make; by default ``export-<checkpoint>`` in the run's.
        ckpt_path: A checkpoint of the run; by default the last one.
        license: Licence of the weights for the card, or None.
        onnx: Whether to write ``model.onnx``.
        trusted: See ``load_from_checkpoint``.

    Raises:
        FileNotFoundError: If the folder is no run's.
        ValueError: If the target exists, or something of the run can't be used.
    """
    record = read_run(run)
    checkpoint = ckpt_path or run / CHECKPOINTS / "last.ckpt"
    target = to or run / f"export-{checkpoint.stem}"
    if target.exists():
        raise UsageError(f"'{target}' exists: name another folder with --to.")
    if run.resolve() not in checkpoint.resolve().parents:
        raise UsageError(f"ckpt_path '{checkpoint}' does not lie in the run '{run}'.")
    exported = _loaded(record, checkpoint, trusted)._replace(
        name=target.name, license=license
    )
    return build_directory(target, lambda new: _fill(new, exported, onnx))


def _loaded(run: Run, path: Path, trusted: Sequence[str]) -> Exported:
    """What is written: the module, with its averaged weights if it has some."""
    content = read_checkpoint(path)
    arguments = content.get("hyper_parameters") or {}
    if "_class_path" not in arguments:
        raise UsageError(
            f"'{path}' does not say what wrote it: give a checkpoint of a run of "
            "this program."
        )
    for name in trusted:
        locate(name)  # imports it
    cls = method_class(AlternatingModule, str(arguments["_class_path"]), path)
    module = cls.load_from_checkpoint(path, map_location="cpu", trusted=trusted)
    averaged = bool((content.get("callbacks") or {}).get("WeightEMA"))
    if averaged:
        load_averaged(module, path)
    content["hyper_parameters"] = upgraded(type(module), arguments)
    return Exported(run, path, content, module.eval(), averaged)


def _fill(folder: Path, exported: Exported, onnx: bool) -> None:
    module = exported.module
    write_model(folder, exported.checkpoint, module)
    if (images := _samples(module)) is not None:
        save_png(image_grid(images), folder / SAMPLES, "64 samples, seed 0")
    for name in LEGENDS:
        if (legend := exported.run.folder / "tables" / name).is_file():
            write_whole(folder / name, legend.read_bytes())
    if onnx and (reason := write_onnx(module, folder / ONNX)):
        sys.stderr.write(f"note: no {ONNX}: {reason}.\n")
    write_whole(folder / CARD, model_card(exported, folder))


def _samples(module: nn.Module) -> Tensor | None:
    """Images that a generator draws, or None."""
    samples = module.sample(64) if isinstance(module, DrawsSamples) else None
    is_image = samples is not None and samples.ndim == 4 and samples.shape[1] in (1, 3)
    return samples if is_image else None


# ONNX ---------------------------------------------------------------------------------


class _Forward(nn.Module):
    """What a method computes of its input, without the rest of the method."""

    def __init__(self, method: nn.Module) -> None:
        super().__init__()
        self.method = method

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.method(inputs)
        return outputs


def write_onnx(module: AlternatingModule, path: Path) -> str | None:
    """Write what a method computes of its input as ONNX, compared with torch.

    A generator maps latents to samples, other methods samples to logits or features.

    Returns:
        Why there is no file, or None.
    """
    shape = _input_shape(module)
    if shape is None:
        return f"{type(module).__name__} has no network with an input of known shape"
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if not _has(name)]
    if missing:
        return f"{missing[0]} is missing, pip install 'wasserstein-critics[onnx]'"
    inputs = torch.randn(5, *shape, generator=torch.Generator().manual_seed(0))
    try:
        _convert(_Forward(module), inputs, path)
        error = _difference(_Forward(module), inputs, path)
    except Exception as problem:  # the converter raises what its many parts raise
        path.unlink(missing_ok=True)
        return f"torch can't convert it ({' '.join(str(problem).split())[:120]})"
    if error <= TOLERANCE:
        return None
    path.unlink()
    return f"it would differ from torch by {error:.1e}"


def _has(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _input_shape(module: AlternatingModule) -> tuple[int, ...] | None:
    """Shape of one input of ``forward``, or None where it is not known."""
    if isinstance(module, GenerativeModule):
        return (int(module.latent_dim),)
    recipes = [recipe_of(network) for network in module.modules()]
    shapes = (one["init_args"].get("shape") for one in recipes if one)
    is_ranker = isinstance(module.evaluator, RanksItems)
    shape = None if is_ranker else next(filter(None, shapes), None)
    return tuple(shape) if shape else None


def _convert(network: nn.Module, inputs: Tensor, path: Path) -> None:
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # of torch, about its own parts
        torch.onnx.export(
            network.eval(),
            (inputs,),
            str(path),
            input_names=["inputs"],
            output_names=["outputs"],
            dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def _difference(network: nn.Module, inputs: Tensor, path: Path) -> float:
    """The largest absolute difference between ONNX and torch, for two batch sizes."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path))
    worst = 0.0
    for rows in (inputs, inputs[:1]):
        (outputs,) = session.run(None, {"inputs": rows.numpy()})
        with torch.no_grad():
            gap = (torch.from_numpy(outputs) - network(rows)).abs().max()
        worst = max(worst, float(gap))
    return worst
