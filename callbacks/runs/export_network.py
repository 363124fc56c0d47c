"""The trained network as one file that needs no checkpoint and no pickle."""

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn

from callbacks.runs.ema import averaged_player
from callbacks.runs.run_directory import run_directory
from lightning_modules.core.recipe import recipe_of, save_network


class ExportNetwork(Callback):
    """Writes ``<network>.safetensors`` into the run's directory when training ends.

    The file holds the weights and how the network was built;
    ``lightning_modules.core.recipe.load_network`` reads it. The generator is written
    with its averaged weights if the run has a `WeightEMA`.

    Args:
        network: Name of the network within the module; dots reach inside.

    Raises:
        ValueError: Before training, if the module has no such network or the
            network does not remember how it was built.
    """

    def __init__(self, network: str = "generator") -> None:
        self.network = network

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        """Find out now, not after hours of training, that there is nothing to write."""
        if recipe_of(self._find(pl_module)) is None:
            raise ValueError(
                f"'{self.network}' keeps no recipe: decorate its class with "
                "lightning_modules.core.recipe.remembers, or remove ExportNetwork."
            )

    def _find(self, pl_module: LightningModule) -> nn.Module:
        try:
            return pl_module.get_submodule(self.network)
        except AttributeError:
            raise ValueError(
                f"{type(pl_module).__name__} has no network '{self.network}': set "
                "network of ExportNetwork to one that it has."
            ) from None

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file, on rank 0."""
        if trainer.fast_dev_run or not trainer.is_global_zero:  # type: ignore[attr-defined]
            return
        path = run_directory(trainer) / f"{self.network}.safetensors"
        if self.network == "generator":
            with averaged_player(trainer, pl_module) as generator:
                save_network(generator, path)
        else:
            save_network(self._find(pl_module), path)
        trainer.print(f"Wrote {path}")
