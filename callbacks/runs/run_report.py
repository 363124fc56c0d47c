"""The report of a run, written into its folder."""

import sys

from lightning.pytorch import Callback, LightningModule, Trainer
from typing_extensions import override

from callbacks.core.loggers import csv_file, run_directory
from callbacks.runs.run_config import FILE
from lightning_modules.core.files import write_whole

REPORT = "report.html"
NO_CURVES = " (without curves: no logger of the run writes metrics.csv; add CSVLogger)"


class RunReport(Callback):
    """Writes ``report.html`` into the run's folder when a fit ends or is interrupted.

    One file that needs no network: what was run, what looks wrong, the critic's
    estimate beside the exact distance, curves of all that ``metrics.csv`` has, images
    with their steps, tables. Nothing is written by ``trainer.fast_dev_run``, or without
    a `RunConfig`, whose folder it reads.
    """

    _trained = False

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._trained = True

    @override
    def teardown(
        self, trainer: Trainer, pl_module: LightningModule, stage: str
    ) -> None:
        if stage == "fit":
            self._write(trainer)

    @override
    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        self._write(trainer)

    def _write(self, trainer: Trainer) -> None:
        folder = run_directory(trainer)
        quick = trainer.fast_dev_run  # type: ignore[attr-defined]
        if quick or not trainer.is_global_zero or not (folder / FILE).is_file():
            return
        # takes a moment to import, and no step needs it
        from callbacks.report.page import report_page
        from callbacks.report.run_files import read_run

        try:
            if self._trained:  # else others did, whose parent this process is
                for logger in trainer.loggers:
                    logger.save()
            path = write_whole(folder / REPORT, report_page([read_run(folder)]))
        except (OSError, ValueError) as error:  # a run is more than its report
            sys.stderr.write(f"report: not written, {error}\n")
        else:
            without = "" if csv_file(trainer) else NO_CURVES
            sys.stderr.write(f"report: {path}{without}\n")
