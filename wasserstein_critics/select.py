"""The subcommand ``select``: a setting of adaptation, picked without target labels."""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from typing_extensions import override

from callbacks.core.loggers import run_directory
from callbacks.predictions.prediction_table import data_frame, write_table
from callbacks.runs.ema import averaged_network
from lightning_modules.adaptation.base import AdaptationModule
from lightning_modules.adaptation.clusters import TargetClusters, evenly_spaced
from lightning_modules.adaptation.importance import (
    WeightedAccuracy,
    density_ratios,
    weighted_accuracy,
)
from lightning_modules.core.alternating import evaluating
from lightning_modules.core.files import free_name
from lightning_modules.data_contracts.sparse_rows import Rows
from wasserstein_critics.cli.app import CLI, command_line
from wasserstein_critics.cli.errors import Stopped, UsageError, told
from wasserstein_critics.commands import table_lines
from wasserstein_critics.shipped import program

SOURCE_ONLY = "source only"
AUTO = {"transfer_weight": "auto", "label_shift": "true"}
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    SOURCE_ONLY: {"transfer_weight": 0},
    "auto": AUTO,
    "auto, equal shares": {**AUTO, "label_shift": "false"},
    "auto, share 1": {**AUTO, "transfer_share": 1.0},
    "weight 0.1": {"transfer_weight": 0.1},
    "weight 1": {"transfer_weight": 1.0},
}
"""What is set of the model, by the name of the setting; fixed weights are for methods
that have no ``auto``."""
CHUNK = 1_000  # rows that are classified at once
ERRORS = 2.0
"""Standard errors by which a setting has to be better than not to adapt."""
MAJORITY = 0.5
"""Share of the target's rows that must keep the class that source only gives them."""


@dataclass(frozen=True)
class Trial:
    """A trained setting.

    Attributes:
        setting: Its name.
        agreement: That of its target classes with the target's clusters.
        error: Standard error of its difference from source only's.
        as_source_only: Share of target rows with the class that source only gives.
        source_accuracy: On the source's validation rows.
        iwcv: The same, weighted by how much a row looks like the target.
        dev: The same with less scatter, see `WeightedAccuracy`.
        target_accuracy: Where the target has labels; the pick does not look at it.
        run: Folder of the run.
    """

    setting: str
    agreement: float
    error: float
    as_source_only: float
    source_accuracy: float | None
    iwcv: float | None
    dev: float | None
    target_accuracy: float | None
    run: str


def select(words: Sequence[str]) -> int:
    """``select --config wdgrl/feature_domains ...``: train settings, pick one."""
    parser = argparse.ArgumentParser(
        prog=f"{program()} select",
        usage=f"{program()} select --config CONFIG [options of fit]",
        description="Train an experiment of domain adaptation with several transfer "
        "weights, none among them, and pick one without labels of the target: that "
        "whose classes agree best with clusters of the target's rows, and source only "
        f"unless another is better by {ERRORS:g} standard errors and keeps the classes "
        "of most rows. Every setting is a run as of `fit`, whose options this command "
        "takes.",
        epilog=f"Settings: {'; '.join(SETTINGS)} (those of the method).",
        allow_abbrev=False,
    )
    parser.add_argument("--config", action="append", required=True)
    parser.parse_known_args(words)
    try:
        trials = [trial for trial, _ in trained(words)]
        best = picked(trials)
        columns = _columns(trials)
        path = free_name(Path(best.run).parent / "selection.csv")
        write_table(data_frame(columns), path)
        shown = {k.replace("_", " "): [*map(_shown, v)] for k, v in columns.items()}
        sys.stdout.writelines(table_lines(shown))
        out = ", ".join(trial.setting for trial in trials if contradicts(trial))
        if out:
            sys.stdout.write(
                f"left out: {out}; most rows have another class than from source only, "
                "which may know too little of the target to adapt from.\n"
            )
        sys.stdout.write(f"picked: {best.setting}; {best.run}\nwrote {path}\n")
    except Stopped as stop:
        sys.stderr.write(f"{stop}\n")
        return stop.code
    except Exception as error:
        return told(error)
    return 0


def contradicts(trial: Trial) -> bool:
    """Whether most rows of the target get another class than from source only.

    Then either source only knows next to nothing of the target, and there is nothing to
    adapt from, or features of the domains were matched class to wrong class.
    """
    return trial.as_source_only < MAJORITY


def picked(trials: Sequence[Trial]) -> Trial:
    """The trial that agrees best; source only unless another is clearly better.

    Those that contradict source only on most rows are left out.
    """
    plain = next(trial for trial in trials if trial.setting == SOURCE_ONLY)

    def surely(trial: Trial) -> float:
        return trial.agreement - plain.agreement - ERRORS * trial.error

    best = max((t for t in trials if not contradicts(t)), key=surely)
    return best if surely(best) > 0 else plain


class OnlyAdaptation(Callback):
    """Refuses other methods before anything is trained."""

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if not isinstance(pl_module, AdaptationModule) or not pl_module.uses_target:
            raise UsageError(
                f"select is for methods of domain adaptation, and "
                f"{type(pl_module).__name__} is none: name one of their configs, as "
                "wdgrl/feature_domains."
            )


def trained(
    words: Sequence[str], more: Mapping[str, Mapping[str, Any]] | None = None
) -> Iterator[tuple[Trial, CLI]]:
    """Every setting that the method of a command has, trained in turn.

    Args:
        words: Options of ``fit``.
        more: Further settings, which come last.
    """
    waiting, judge = dict(SETTINGS), None
    while waiting:
        name = next(iter(waiting))
        sys.stdout.write(f"setting: {name}\n")
        sys.stdout.flush()
        options = [f"--model.{key}={value}" for key, value in waiting[name].items()]
        cli = command_line(["fit", *words, *options], callbacks=[OnlyAdaptation()])
        if judge is None:
            judge, waiting = Judge(cli), settings_of(type(cli.model)) | dict(more or {})
        del waiting[name]
        yield judge.trial(name, cli), cli


def settings_of(method: type[AdaptationModule]) -> dict[str, Mapping[str, Any]]:
    """The settings of a method by their names, each once."""
    found: dict[str, Mapping[str, Any]] = {}
    for name, options in SETTINGS.items():
        automatic = options["transfer_weight"] == "auto"
        if name != SOURCE_ONLY and automatic != method.balances:
            continue
        if not method.weighs_rows:
            options = {k: v for k, v in options.items() if k != "label_shift"}
        if options not in found.values():
            found[name] = options
    return found


class Judge:
    """What is measured of each setting, beside the first.

    Args:
        cli: That of the first.
    """

    def __init__(self, cli: Any) -> None:
        target = cli.datamodule.domains.target
        self.clusters = TargetClusters(target, cli.model.n_classes)
        self.first = _outputs(cli, target).classes

    def trial(self, name: str, cli: Any) -> Trial:
        """The trained setting in numbers."""
        domains = cli.datamodule.domains
        features, found = _outputs(cli, domains.target)
        held_out, labels = _outputs(cli, domains.source_val.x), domains.source_val.y
        weighted = _weighted(cli, held_out, labels, features)
        tested = domains.target_test
        known = bool((tested.y >= 0).any())
        return Trial(
            name,
            self.clusters.agreement(found),
            self.clusters.error_of_gain(found, self.first),
            float((found == self.first).float().mean()),
            _accuracy(held_out.classes, labels),
            weighted and weighted.iwcv,
            weighted and weighted.dev,
            _accuracy(_outputs(cli, tested.x).classes, tested.y) if known else None,
            str(run_directory(cli.trainer)),
        )


class Outputs(NamedTuple):
    """Features (n, d) and classes int64 (n,) of rows."""

    features: Tensor
    classes: Tensor


def _outputs(cli: Any, x: Rows) -> Outputs:
    """What a model says of rows, with the weights that validation uses."""
    model, data = cli.model, cli.datamodule
    with torch.no_grad(), evaluating(model), averaged_network(cli.trainer, model):
        parts = (x[i : i + CHUNK] for i in range(0, len(x), CHUNK))
        scaled = (data.on_model_scale(part).to(model.device) for part in parts)
        features = [model.features(rows) for rows in scaled]
        classes = [model.classifier(part).argmax(1) for part in features]
    return Outputs(torch.cat(features).cpu(), torch.cat(classes).cpu())


def _weighted(
    cli: Any, held_out: Outputs, labels: Tensor, target: Tensor
) -> WeightedAccuracy | None:
    """IWCV and DEV of held-out source rows; None without labels to validate on.

    Args:
        cli: That of the setting.
        held_out: Of these rows.
        labels: Theirs; -1 is none.
        target: Features of the target.
    """
    known = labels >= 0
    if not known.any():
        return None
    x = cli.datamodule.domains.source.x
    source = _outputs(cli, x[evenly_spaced(len(x))]).features
    ratios = density_ratios(source, target, held_out.features[known])
    return weighted_accuracy((held_out.classes == labels)[known], ratios)


def _accuracy(classes: Tensor, labels: Tensor) -> float | None:
    """Share of right classes among the rows with a label; None without any."""
    known = labels >= 0
    return float((classes == labels)[known].float().mean()) if known.any() else None


# Output -------------------------------------------------------------------------------


def _columns(trials: Sequence[Trial]) -> dict[str, list[Any]]:
    rows = [asdict(trial) for trial in trials]
    return {name: [row[name] for row in rows] for name in rows[0]}


def _shown(value: object) -> str:
    if value is None:
        return "unknown"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
