"""Networks remember how they were built, so that files need no pickled code."""

import functools
import inspect
import json
import os
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

Recipe = dict[str, Any]
Network = TypeVar("Network", bound=type[nn.Module])


def remembers(cls: Network) -> Network:
    """Class decorator: instances keep their constructor arguments as ``recipe``.

    A recipe is ``{"class_path": ..., "init_args": {...}}``, the form that a YAML
    config has, so the same object can be written to JSON and built again.
    """
    original = cls.__init__
    signature = inspect.signature(original)

    @functools.wraps(original)
    def __init__(self: nn.Module, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        original(self, *args, **kwargs)
        if type(self) is cls:
            bound = signature.bind(self, *args, **kwargs)
            bound.apply_defaults()
            self.recipe = {  # type: ignore[assignment]
                "class_path": f"{cls.__module__}.{cls.__qualname__}",
                "init_args": {
                    key: _plain(value)
                    for key, value in list(bound.arguments.items())[1:]
                },
            }

    cls.__init__ = __init__  # type: ignore[method-assign]
    return cls


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def recipe_of(network: nn.Module) -> Recipe | None:
    """The recipe of a network, or None where its class does not remember one."""
    recipe = getattr(network, "recipe", None)
    return recipe if isinstance(recipe, dict) else None


def build(recipe: Recipe) -> nn.Module:
    """Build the network that a recipe describes, with fresh weights.

    Only classes of ``lightning_modules.networks`` are built: a recipe may come from a
    file that a stranger wrote.

    Raises:
        ValueError: If the recipe names anything else.
    """
    path = str(recipe.get("class_path"))
    module, _, name = path.rpartition(".")
    ours = module.startswith("lightning_modules.networks.")
    cls = getattr(import_module(module), name, None) if ours else None
    if not (isinstance(cls, type) and issubclass(cls, nn.Module)):
        raise ValueError(
            f"class_path '{path}' is not a network of lightning_modules.networks; "
            "build it yourself and load the tensors with safetensors.torch.load_file."
        )
    return cls(**recipe["init_args"])


def save_network(network: nn.Module, path: str | os.PathLike[str]) -> Path:
    """Write weights and recipe as one safetensors file, whole or not at all.

    Raises:
        ValueError: If the network's class does not remember its arguments.
    """
    recipe = recipe_of(network)
    if recipe is None:
        raise ValueError(
            f"{type(network).__name__} keeps no recipe: decorate the class with "
            "lightning_modules.core.recipe.remembers to export it."
        )
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    tensors = {
        k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()
    }
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    partial.write_bytes(save(tensors, metadata={"recipe": json.dumps(recipe)}))
    return partial.replace(target)


def load_network(path: str | os.PathLike[str]) -> nn.Module:
    """Build the network of a file that `save_network` wrote, in eval mode, on the CPU.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged or holds no recipe.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no network file at '{path}'.")
    try:
        with safe_open(str(path), framework="pt") as file:
            recipe = json.loads((file.metadata() or {}).get("recipe", "null"))
            tensors: dict[str, Tensor] = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"'{path}' is no whole safetensors file: {error}.") from None
    if recipe is None:
        raise ValueError(f"'{path}' holds no recipe, so it was not exported from here.")
    with torch.random.fork_rng(devices=[]):
        network = build(recipe)
    network.load_state_dict(tensors)
    return network.eval()
