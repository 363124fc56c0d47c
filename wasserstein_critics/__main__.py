"""The command: ``wasserstein-critics fit --config wgan_gp/digits``."""

import importlib
import sys
from collections.abc import Sequence

from wasserstein_critics.commands import OTHER_COMMANDS, overview, piped
from wasserstein_critics.completion import completion
from wasserstein_critics.shipped import copy_config, list_configs

_QUICK = {"configs": list_configs, "copy": copy_config, "completion": completion}
"""Subcommands that start without torch."""


def main(args: list[str] | None = None) -> int:
    """Run the command line of an installation or of a clone.

    Args:
        args: Words after the command; ``sys.argv`` if None.

    Returns:
        Exit code, as in `wasserstein_critics.cli.app.main`.
    """
    return piped(_run, sys.argv[1:] if args is None else args)


def _run(words: Sequence[str]) -> int:
    first, *others = words or [""]
    if first in ("-h", "--help"):
        sys.stdout.write(overview())
        return 0
    if first in _QUICK:
        return _QUICK[first](others)
    if first in OTHER_COMMANDS:  # in a module of its name
        module = importlib.import_module(f"wasserstein_critics.{first}")
        return int(vars(module)[first](others))
    from wasserstein_critics.cli.app import main as run

    return run([*words])


if __name__ == "__main__":
    sys.exit(main())
