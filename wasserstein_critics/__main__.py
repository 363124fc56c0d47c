"""The command: ``wasserstein-critics fit --config wgan_gp/digits``."""

import sys

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
    words = sys.argv[1:] if args is None else args
    if words and words[0] in _QUICK:
        return _QUICK[words[0]](words[1:])
    if words and words[0] == "report":
        from wasserstein_critics.report import report

        return report(words[1:])
    if words and words[0] == "recommend":
        from wasserstein_critics.recommend import recommend

        return recommend(words[1:])
    if words and words[0] == "export":
        from wasserstein_critics.export import export

        return export(words[1:])
    if words and words[0] == "select":
        from wasserstein_critics.select import select

        return select(words[1:])
    from wasserstein_critics.cli.app import main as run

    return run(words)


if __name__ == "__main__":
    sys.exit(main())
