"""The command line.

python train.py fit --config configs/wgan_gp/digits.yaml
python train.py predict --config configs/wgan_gp/digits.yaml --ckpt_path last.ckpt
"""

import os
import signal
import sys
import warnings
from argparse import ArgumentError
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml
from lightning.pytorch import (
    Callback,
    LightningDataModule,
    LightningModule,
    Trainer,
)
from lightning.pytorch.callbacks import ProgressBar
from lightning.pytorch.cli import ArgsType, LightningArgumentParser

from callbacks import (
    ExactResume,
    FinalValidation,
    RankWatch,
    RunConfig,
    RunReport,
    StopOnSignal,
    UpdateProgress,
)
from callbacks.runs.progress_bar import NetworkSizes
from callbacks.runs.rank_answers import tell
from callbacks.runs.wandb_run import continue_wandb_run
from lightning_modules.core.lightning_internals import (
    ConfigDecides,
    classes_alone,
    describe_subcommands,
    may_lack,
    nulls_read,
    reading_configs_by,
)
from lightning_modules.data_contracts.contracts import Summarised
from wasserstein_critics.cli.callback_options import Option, split_off, with_options
from wasserstein_critics.cli.checkpoints import restoring
from wasserstein_critics.cli.checks import check_config, check_run
from wasserstein_critics.cli.class_changes import dropped_settings, replaced_settings
from wasserstein_critics.cli.config_files import ConfigParser, config_text
from wasserstein_critics.cli.errors import (
    Stopped,
    UsageError,
    exit_code,
    explain,
    usage_error,
)
from wasserstein_critics.cli.from_data import (
    as_options,
    built,
    following,
    following_names,
    lacks_only,
    name_runs,
)
from wasserstein_critics.cli.help import description, usage
from wasserstein_critics.cli.parser_messages import explain_parse_error
from wasserstein_critics.cli.run_folder import expand_directories, run_folder
from wasserstein_critics.commands import SUBCOMMANDS
from wasserstein_critics.shipped import program, shipped_part, with_shipped_paths


class CLI(ConfigDecides):
    """LightningCLI that reports a mistake in one sentence and before it writes."""

    _data: LightningDataModule | None = None
    _words: Sequence[str] = ()

    def setup_parser(self, *args: Any) -> None:
        """Describe the subcommands in this project's words."""
        super().setup_parser(*args)
        describe_subcommands(self.parser, SUBCOMMANDS)

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse, and report what is wrong in one sentence."""
        given = args if isinstance(args, list) else sys.argv[1:]
        words, options = split_off(with_shipped_paths(list(map(str, given))))
        try:
            with (
                dropped_settings() as notes,
                classes_alone() as refused,
                reading_configs_by(config_text),
                nulls_read(),
            ):
                if options:
                    words.append(_callbacks_option(parser, words, options))
                self.config = self._parsed(parser, words)
        except (ArgumentError, UnicodeDecodeError) as error:
            if mistake := usage_error(error):
                raise mistake from error
            if refused:
                raise UsageError(
                    f"'{refused[0]}' is not built: a config names classes, no function "
                    "and nothing that runs programs; name a class."
                ) from error
            sentence = explain_parse_error(error, words, self.option_names)
            raise UsageError(sentence) from error
        subcommand, self._words = self.config.subcommand, words
        named = {path[0] for path, _ in options}  # switched off or retuned
        notes += replaced_settings(words, self.config[subcommand], named)
        for note in notes:
            sys.stderr.write(f"note: {note}\n")
        expand_directories(self.config[subcommand])
        name_runs(self.config[subcommand], self._data)
        check_config(self.config[subcommand], subcommand)

    def _parsed(self, parser: LightningArgumentParser, words: list[str]) -> Any:
        """The configuration, with what is left out because the data tells it."""
        try:
            return parser.parse_args(words)
        except ArgumentError as error:
            names = following_names()
            if not lacks_only(error, names):
                raise
            with may_lack(names):
                config = parser.parse_args(words)
            config = config[config.subcommand]
            self._data = built(LightningDataModule, config.data)
            found = following(config, self._data)
            if not found:
                raise
        if os.environ.get("LOCAL_RANK", "0") == "0":  # else told by another process
            shown = ", ".join(f"{key} {value}" for key, value in found.items())
            sys.stderr.write(f"note: from the data: {shown}.\n")
        return parser.parse_args([*words, *as_options(found)])

    def instantiate_classes(self) -> None:
        """Build everything, but read no data again."""
        super().instantiate_classes()
        self.datamodule = self._data or self.datamodule

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Give a fit our progress bar and line of networks, or what it has instead."""
        assert self.subcommand is not None
        flags = self.config_init[self.subcommand].trainer
        shown = flags.enable_progress_bar is not False
        if self.subcommand == "fit" and flags.enable_model_summary is None:
            kwargs["enable_model_summary"] = False
            self.trainer_defaults["callbacks"].append(NetworkSizes())
        listed = flags.callbacks if isinstance(flags.callbacks, list) else []
        has_bar = any(isinstance(c, ProgressBar) for c in (flags.callbacks, *listed))
        if self.subcommand == "fit" and shown and not has_bar:
            kwargs["enable_progress_bar"] = False
            self.trainer_defaults["callbacks"].append(UpdateProgress())
        if not any(isinstance(c, RankWatch) for c in (flags.callbacks, *listed)):
            self.trainer_defaults["callbacks"].append(RankWatch())
        return super().instantiate_trainer(**kwargs)

    def run_checked(self, **kwargs: Any) -> None:
        """Run the subcommand if data and networks fit together."""
        assert self.subcommand is not None
        check_run(self.trainer, self.model, self.datamodule, self.subcommand)
        if self.trainer.is_global_zero and isinstance(self.datamodule, Summarised):
            sys.stderr.write(f"data: {self.datamodule.summary()}.\n")
        if self.subcommand != "fit" and not kwargs["ckpt_path"]:
            sys.stderr.write("note: without --ckpt_path the networks are untrained.\n")
        evaluates = self.subcommand in ("validate", "test")
        if evaluates:
            kwargs["verbose"] = False  # Lightning's table has a column for each loader
        config, path = self.config[self.subcommand], kwargs["ckpt_path"]
        folder = run_folder(self.trainer, config, self.subcommand, path)
        with folder, restoring(path):
            if self.subcommand == "fit":
                continue_wandb_run(self.trainer, path)
                self._tell_what_was_shipped()
            getattr(self.trainer, self.subcommand)(**kwargs)
        if evaluates and self.trainer.is_global_zero:
            sys.stdout.writelines(metric_lines(self.trainer.callback_metrics))

    def _tell_what_was_shipped(self) -> None:
        """Let the run's record say what differs from the shipped configs."""
        names, words = shipped_part(self._words)
        callbacks: Any = self.trainer.callbacks  # type: ignore[attr-defined]
        records = [one for one in callbacks if isinstance(one, RunConfig)]
        if not names or not records or not self.trainer.is_global_zero:
            return
        with may_lack(), reading_configs_by(config_text):
            config = self.parser.parse_args(["fit", *words]).fit
        text = self._parser("fit").dump(config, skip_unset=False, skip_validation=True)
        records[0].shipped = (names, yaml.safe_load(text))

    fit = validate = test = predict = run_checked


def _callbacks_option(
    parser: LightningArgumentParser, words: Sequence[str], options: Sequence[Option]
) -> str:
    """The list of callbacks that is meant, as an option of the parser."""
    quiet = [word for word in words if not word.startswith("--print_config")]
    with may_lack(following_names()):
        config = parser.parse_args(quiet)
    callbacks = config[config.subcommand].trainer.callbacks
    return f"--trainer.callbacks={with_options(callbacks, options)}"


def metric_lines(metrics: Mapping[str, Any]) -> Iterator[str]:
    """A line for each metric of a validation or test."""
    named = {name: value for name, value in metrics.items() if "/" in name}
    width = max(map(len, named), default=0)
    for name in sorted(named):
        yield f"{name:{width}}  {float(named[name]):.6g}\n"


def silence() -> None:
    """Drop messages of Lightning that are wrong or of no use here."""
    for message in (
        ".*does not have many workers.*",  # data is in memory, sliced by whole batches
        ".*smaller than the logging interval.*",  # values are logged by step, not epoch
        "Using ModelCheckpoint with manual.*",  # the state after a step is meant
        ".*Checkpoint directory .* is not empty.*",  # a run that goes on in its folder
        "(?s).*Grad strides do not match bucket.*",  # copies, harmless
    ):
        warnings.filterwarnings("ignore", message)


def command_line(
    args: list[str] | None = None, callbacks: Sequence[Callback] = ()
) -> CLI:
    """Run the command line and return what it built; mistakes raise errors.

    Args:
        args: Command line; ``sys.argv`` if None.
        callbacks: More callbacks than the config has, for scripts.

    Returns:
        The CLI, with ``trainer``, ``model`` and ``datamodule``.
    """
    silence()
    return CLI(
        LightningModule,
        LightningDataModule,
        save_config_callback=RunConfig,
        trainer_defaults={
            "callbacks": [
                ExactResume(),
                FinalValidation(),
                StopOnSignal(),
                RunReport(),
                *callbacks,
            ]
        },
        parser_class=ConfigParser,
        seed_everything_default=0,
        parser_kwargs={
            "exit_on_error": False,
            "allow_abbrev": False,
            "prog": program(),
            **{
                name: {"description": description(text), "usage": usage(name)}
                for name, text in SUBCOMMANDS.items()
            },
        },
        subclass_mode_model=True,
        subclass_mode_data=True,
        args=args,
        auto_configure_optimizers=False,
    )


def main(args: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        args: Command line; ``sys.argv`` if None.

    Returns:
        Exit code: 0, or 2 after a mistake of the user, or 1 where training diverged to
        NaN or infinity or a rank did not answer, which stderr gives in one sentence, or
        130 and 143 after Ctrl-C and SIGTERM.
        ``WASSERSTEIN_TRACEBACK=1`` in the environment shows the traceback instead.
    """
    try:
        command_line(args)
    except Stopped as stop:
        sys.stderr.write(f"{stop}\n")
        return stop.code
    except KeyboardInterrupt:  # before a trainer was there to catch it
        sys.stderr.write("stopped by SIGINT.\n")
        return 128 + signal.SIGINT
    except Exception as error:
        sentence = explain(error)
        if sentence is None or os.environ.get("WASSERSTEIN_TRACEBACK"):
            raise
        if sentence and tell(sentence):
            sys.stderr.write(f"error: {sentence}\n")
        return exit_code(error)
    return 0
