"""Export of trained networks, each as one file without checkpoint or pickle."""

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn
from typing_extensions import override

from callbacks.core.loggers import run_directory
from callbacks.runs.ema import averaged_weights
from lightning_modules.core.recipe import check_savable, save_network


class ExportNetwork(Callback):
    """Writes ``<network>.safetensors`` into the run's directory when training ends.

    The file holds the weights and how the network was built;
    ``lightning_modules.core.recipe.load_network`` reads it. A container whose networks
    keep recipes, such as ``adapted`` of a domain adaptation, is written as one file for
    each: ``adapted.extractor.safetensors`` and ``adapted.classifier.safetensors``.
    Networks that a `WeightEMA` averages are written with their averaged weights.

    Args:
        network: Name of the network within the module; dots reach inside.

    Raises:
        ValueError: Before training, if the module has no such network, or one that no
            file can hold, see `check_savable`.
    """

    def __init__(self, network: str = "generator") -> None:
        self.network = network

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find out now, not after hours of training, that there is nothing to write."""
        for network in self.networks(pl_module).values():
            check_savable(network)

    def networks(self, pl_module: LightningModule) -> dict[str, nn.Module]:
        """What is written, by name: the network, or those that a container holds.

        Raises:
            ValueError: If the module has no such network.
        """
        try:
            network = pl_module.get_submodule(self.network)
        except AttributeError:
            raise ValueError(
                f"{type(pl_module).__name__} has no network '{self.network}': set "
                "network of ExportNetwork to one that it has."
            ) from None
        if isinstance(network, nn.ModuleDict | nn.ModuleList):
            parts = network.named_children()
            return {f"{self.network}.{name}": part for name, part in parts}
        return {self.network: network}

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.fast_dev_run or not trainer.is_global_zero:  # type: ignore[attr-defined]
            return
        with averaged_weights(trainer, pl_module):
            for name, network in self.networks(pl_module).items():
                path = run_directory(trainer) / f"{name}.safetensors"
                save_network(network, path)
                trainer.print(f"Wrote {path}")
