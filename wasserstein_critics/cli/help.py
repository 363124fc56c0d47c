"""What ``--help`` says: first what most people set, classes of this library by name."""

import argparse
import re

from jsonargparse import DefaultHelpFormatter
from lightning.pytorch import LightningModule
from torchmetrics import Metric

from lightning_modules.core.public_names import public_class
from wasserstein_critics.shipped import program

MOST_SET = """\
what most people set:
  --config wgan_gp/digits          a shipped config (`configs` lists them) or a file in
                                   YAML; of several a later one wins
  --data.batch_size 128            any option of the data; --data MNIST takes another
  --model.n_critic 5               any option of the method
  --model.critic_optimizer.lr 1e-4 any option of an optimizer
  --trainer.max_steps 5000         updates of the generator (or encoder)
  --trainer.devices 2              several processes
  --callbacks.SampleGrid.every_n_steps 100
  --callbacks.TransportMonitor false
  --ckpt_path runs/NAME/version_0/checkpoints/last.ckpt
  --print_config                   show all settings that come out, and run nothing
  --model.help WGANGP              the arguments of a class; likewise --data.help MNIST
                                   and --trainer.callbacks.help SampleGrid
All options follow."""
_NONE_OF_OURS = 12  # a longer list of classes of others helps nobody


class Help(argparse.RawDescriptionHelpFormatter, DefaultHelpFormatter):
    """Help of jsonargparse with short lists of classes."""

    def _get_help_string(self, action: argparse.Action) -> str:
        text = str(super()._get_help_string(action))
        return re.sub(r", known subclasses: ([\w., ]+)", _short_list, text)

    def _expand_help(self, action: argparse.Action) -> str:
        text = super()._expand_help(action)
        return re.sub(r"<class '(?:[\w.]+\.)?(\w+)'>", r"\1", text)


def _short_list(listed: re.Match[str]) -> str:
    """The classes of this library, else all if they are few."""
    paths = listed[1].split(", ")
    ours = [cls for path in paths if (cls := public_class(path))]
    # a method or a metric is a network too
    networks = [c for c in ours if not issubclass(c, LightningModule | Metric)]
    few = paths if len(paths) <= _NONE_OF_OURS else []
    names = [cls.__name__ for cls in networks or ours]
    names = names or [path.rpartition(".")[2] for path in few]
    if not names:
        return "; name a class by its import path"
    return f"; {', '.join(names)}, or another by its import path"


def description(sentence: str) -> str:
    """The first lines of a subcommand's help."""
    return f"{sentence}\n\n{MOST_SET}"


def usage(subcommand: str) -> str:
    """How a subcommand is called."""
    return f"{program()} {subcommand} --config NAME_OR_FILE [options]"
