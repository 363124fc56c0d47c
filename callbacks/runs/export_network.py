"""Export of trained networks, each as one file without checkpoint or pickle."""

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn
from torch import nn
from typing_extensions import override

from callbacks.core.loggers import run_directory
from callbacks.runs.ema import averaged_weights
from lightning_modules.core.recipe import check_savable, save_network, save_weights


class ExportNetwork(Callback):
    """Writes ``<network>.safetensors`` into the run's directory when training ends.

    The file holds the weights and how the network was built;
    ``lightning_modules.core.recipe.load_network`` reads it. A container whose networks
    keep recipes, such as ``adapted`` of a domain adaptation, is written as one file for
    each: ``adapted.extractor.safetensors`` and ``adapted.classifier.safetensors``.
    Networks that a `WeightEMA` averages are written with their averaged weights. Of a
    network that can't be described, such as one of the user's own without
    ``@remembers``, the file holds the weights alone, and a warning before training says
    how to load them.

    Args:
        network: Name of the network within the module; dots reach inside.

    Raises:
        ValueError: Before training, if the module has no such network.
    """

    def __init__(self, network: str = "generator") -> None:
        self.network = network

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find out now, not after hours of training, what can't be written."""
        for name, network in self.networks(pl_module).items():
            if stage == "fit" and (why := _indescribable(network)):
                rank_zero_warn(
                    f"{name}.safetensors will hold weights alone, since {why} To use "
                    "them, build the network yourself and call its "
                    "load_state_dict(safetensors.torch.load_file(path))."
                )

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
                save = save_weights if _indescribable(network) else save_network
                save(network, path)
                trainer.print(f"Wrote {path}")


def _indescribable(network: nn.Module) -> str | None:
    """Why no recipe can be written of a network, or None."""
    try:
        check_savable(network)
    except ValueError as error:
        return str(error)
    return None
