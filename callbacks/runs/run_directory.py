"""The directory of a run's files."""

from pathlib import Path

from lightning.pytorch import Trainer

from lightning_modules.core.lightning_internals import real_loggers


def run_directory(trainer: Trainer) -> Path:
    """The run's own directory: ``save_dir/name/version`` of its first logger.

    That is where Lightning puts ``checkpoints/`` too. A run without a logger has
    ``trainer.default_root_dir``. Only rank 0's answer counts, because the loggers
    of other ranks may be a version ahead or know none; to write on several ranks
    ask `agreed_run_directory`.

    Returns:
        The path; nothing is created.

    >>> run_directory(Trainer(logger=False, default_root_dir="runs")).name
    'runs'
    """
    loggers = real_loggers(trainer)
    if not loggers:
        return Path(trainer.default_root_dir)
    name, version = loggers[0].name, loggers[0].version
    root = Path(loggers[0].save_dir or trainer.default_root_dir, name or "")
    if version is None:
        return root
    return root / (version if isinstance(version, str) else f"version_{version}")


def agreed_run_directory(trainer: Trainer) -> Path:
    """What `run_directory` says on rank 0, told to all; call it on every rank."""
    return Path(trainer.strategy.broadcast(str(run_directory(trainer))))
