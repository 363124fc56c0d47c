"""Base of callbacks that evaluate samples: each process draws its share of one set."""

from collections.abc import Collection, Iterator, Mapping

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from typing_extensions import override

from callbacks.core.requirements import require_generator
from lightning_modules.data_contracts.contracts import DrawsSamples

CHUNK = 256  # samples that share a seed, and are drawn by one process


class SampleMetrics(Callback):
    """Logs metrics of samples under ``val/`` and ``test/``; subclasses define them."""

    def prepare(self, trainer: Trainer) -> None:
        """Read what the metrics need from the data or from files, before the run."""

    def metric_names(self) -> Collection[str]:
        """All names that `metrics` may give at a validation."""
        return ()

    def metrics(
        self, trainer: Trainer, module: DrawsSamples, stage: str
    ) -> Mapping[str, Tensor]:
        """Values by name; ``stage`` is ``val`` or ``test``. Called on all ranks."""
        raise NotImplementedError

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage != "predict":
            require_generator(self, pl_module)
            self.prepare(trainer)

    @override
    def on_validation_epoch_end(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> None:
        if not trainer.sanity_checking:
            module, stage = require_generator(self, pl_module), stage_of(trainer)
            values = self.metrics(trainer, module, stage)
            module.log_evaluation({f"{stage}/{name}": v for name, v in values.items()})

    on_test_epoch_end = on_validation_epoch_end


def stage_of(trainer: Trainer) -> str:
    """``test`` or ``val``, with which the names of metrics begin."""
    return "test" if trainer.testing else "val"


def shares(
    trainer: Trainer, pl_module: DrawsSamples, n: int, seed: int
) -> Iterator[Tensor]:
    """Chunks of ``n`` samples; over all processes they are the same set of samples.

    Chunk i has its own seed and goes to process i modulo their number, so the set
    does not depend on how many there are, and training draws what it would have
    drawn anyway. A process that gets none yields one empty chunk, because metrics
    are joined by all processes together.
    """
    chunks = max(-(-n // CHUNK), trainer.world_size)
    for chunk in range(trainer.global_rank, chunks, trainer.world_size):
        size = max(0, min(CHUNK, n - chunk * CHUNK))
        yield pl_module.sample(size, seed=(seed + 1) * 1_000_003 + chunk)
