"""Recipes of networks: files without pickled code."""

import functools
import inspect
import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from lightning_modules.core.files import PathLike, write_whole
from lightning_modules.core.memory import fitting_in_memory
from lightning_modules.core.public_names import class_path, public_path
from lightning_modules.core.validation import NotFiniteError, not_finite

CHECKSUM = "crc32"
Recipe = dict[str, Any]
Network = TypeVar("Network", bound=type[nn.Module])
_remembering: list[type[nn.Module]] = []


def remembers(cls: Network) -> Network:
    """Class decorator: instances keep their constructor arguments as ``recipe``.

    A recipe is ``{"class_path": ..., "init_args": {...}}``, the form that a YAML
    config has, so the same object can be written to JSON and built again. An argument
    that is itself a network is kept as its recipe.
    """
    original = cls.__init__
    signature = inspect.signature(original)

    @functools.wraps(original)
    def __init__(self: nn.Module, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        with fitting_in_memory(arguments := _bound(signature, self, args, kwargs)):
            original(self, *args, **kwargs)
        if type(self) is cls:
            self.recipe_arguments = arguments  # type: ignore[assignment]

    cls.__init__ = __init__  # type: ignore[method-assign]
    _remembering.append(cls)
    return cls


def _bound(
    signature: inspect.Signature,
    network: nn.Module,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> dict[str, Any]:
    """Arguments of a constructor by name, defaults included, without ``self``."""
    bound = signature.bind(network, *args, **kwargs)
    bound.apply_defaults()
    return dict(list(bound.arguments.items())[1:])


def remembered_classes() -> tuple[type[nn.Module], ...]:
    """The classes that this program has decorated with `remembers`."""
    return tuple(_remembering)


def recipe_of(network: nn.Module) -> Recipe | None:
    """Recipe of a network, or None if it has none, see `check_savable`."""
    try:
        return check_savable(network)
    except ValueError:
        return None


def check_savable(network: nn.Module) -> Recipe:
    """Recipe of a network that `save_network` can write.

    Raises:
        ValueError: Naming the class or the argument that can't be written.
    """
    cls = type(network)
    if cls not in _remembering:
        raise ValueError(
            f"{cls.__name__} keeps no recipe: decorate the class with "
            "lightning_modules.remembers to export it."
        )
    # The decorator has set it; modules type what they hold as Tensor or Module.
    arguments: Any = network.recipe_arguments
    init_args = {key: _plain(cls, key, value) for key, value in arguments.items()}
    return {"class_path": class_path(cls), "init_args": init_args}


def _plain(cls: type, key: str, value: Any) -> Any:
    if isinstance(value, nn.Module):
        return check_savable(value)
    if isinstance(value, tuple | list):
        return [_plain(cls, key, item) for item in value]
    if isinstance(value, Mapping):
        return {str(k): _plain(cls, key, item) for k, item in value.items()}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ValueError(
        f"{key} of {cls.__name__} is a {type(value).__name__}, which can't be written "
        "to a file: build the network from numbers, strings, lists and networks."
    )


def build(recipe: Recipe) -> nn.Module:
    """Build the network of a recipe, with new weights.

    Only classes that this program has decorated with `remembers` are built, those of
    this library among them, and nothing is imported: a recipe may come from an
    untrusted file.

    Raises:
        ValueError: If the recipe names anything else.
    """
    path = public_path(str(recipe.get("class_path")))
    cls = {class_path(cls): cls for cls in _remembering}.get(path)
    if cls is None:
        raise ValueError(
            f"class_path '{path}' is not a network of lightning_modules, nor a class "
            "decorated with lightning_modules.remembers that is imported: import it, "
            "or build the network yourself and load the tensors with "
            "safetensors.torch.load_file."
        )
    arguments = {key: _built(value) for key, value in recipe["init_args"].items()}
    return cls(**arguments)


def _built(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"class_path", "init_args"}:
            return build(value)
        return {key: _built(item) for key, item in value.items()}
    return [_built(item) for item in value] if isinstance(value, list) else value


def save_network(network: nn.Module, path: str | os.PathLike[str]) -> Path:
    """Write weights and recipe to one safetensors file, atomically.

    Raises:
        ValueError: If the network can't be built from a file, see `check_savable`.
    """
    recipe, tensors = check_savable(network), _tensors(network)
    # One entry: safetensors writes several in an order that differs from run to run.
    checked = {**recipe, CHECKSUM: checksum(recipe, tensors)}
    return write_whole(path, save(tensors, metadata={"recipe": json.dumps(checked)}))


def checksum(recipe: Recipe, tensors: Mapping[str, Tensor]) -> str:
    """CRC-32 of a recipe and of tensors on the CPU, with their names and shapes.

    >>> checksum({}, {"x": torch.tensor(1.0)}) == checksum({}, {"x": torch.ones(1)})
    False
    """
    value = zlib.crc32(json.dumps(recipe).encode())
    for name, tensor in sorted(tensors.items()):
        value = zlib.crc32(f"{name} {tensor.dtype} {[*tensor.shape]}".encode(), value)
        value = zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data, value)
    return f"{value:08x}"


def save_weights(network: nn.Module, path: str | os.PathLike[str]) -> Path:
    """Write the weights of a network that has no recipe, atomically.

    They are loaded into a network that is built alike:
    ``network.load_state_dict(safetensors.torch.load_file(path))``.
    """
    return write_whole(path, save(_tensors(network)))


def _tensors(network: nn.Module) -> dict[str, Tensor]:
    """The state of a network, each entry in memory of its own."""
    state = network.state_dict().items()
    for name in not_finite(state, dict(network.named_parameters())):
        raise NotFiniteError(
            f"{name} holds NaN or infinity: write a network from before training "
            "diverged."
        )
    return {k: v.detach().cpu().contiguous().clone() for k, v in state}


def load_network(path: str | os.PathLike[str]) -> nn.Module:
    """Load a network that `save_network` wrote, in eval mode, on the CPU.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, has no recipe that can be built, or holds
            weights of another network or that are not finite.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no network file at '{path}'.")
    marks, tensors = read_tensors(path)
    try:
        recipe = json.loads(marks.get("recipe", "null"))
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(
            f"'{path}' is not a valid safetensors file: {error}."
        ) from None
    if recipe is None:
        raise ValueError(
            f"'{path}' holds weights without a recipe: build the network yourself and "
            "give them to its load_state_dict, as safetensors.torch.load_file(path)."
        )
    if not isinstance(recipe, dict) or not isinstance(recipe.get("init_args"), dict):
        raise ValueError(f"'{path}' holds no recipe of a network: export it again.")
    written = recipe.pop(CHECKSUM, None)  # None in files of earlier versions
    if written not in (None, checksum(recipe, tensors)):
        raise ValueError(
            f"'{path}' is damaged, for its checksum is another: copy it again, or "
            "export the network from a checkpoint."
        )
    return _filled(path, recipe, tensors)


def read_tensors(path: PathLike) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a safetensors file, on the CPU.

    Raises:
        ValueError: If it is none.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            return file.metadata() or {}, tensors
    except SafetensorError as error:
        raise ValueError(
            f"'{path}' is not a valid safetensors file: {error}."
        ) from None


def _filled(path: PathLike, recipe: Recipe, tensors: dict[str, Tensor]) -> nn.Module:
    """The network of a file that may say anything."""
    try:
        with torch.random.fork_rng(devices=[]):
            network = build(recipe)
        network.load_state_dict(tensors)
    except ValueError as error:
        raise ValueError(f"{str(error).rstrip('.')} (file '{path}').") from error
    except Exception as error:  # what a constructor makes of wrong arguments
        reason = " ".join(str(error).split()).rstrip(".")
        raise ValueError(
            f"'{path}' holds what does not fit its network ({reason}): export it again."
        ) from error
    own, weights = network.state_dict(), dict(network.named_parameters())
    strange = [n for n in weights if not tensors[n].is_floating_point()]
    if bad := [*strange, *not_finite(own.items(), weights)]:
        raise ValueError(
            f"'{path}' holds no finite numbers in {bad[0]}: use a file from before "
            "training diverged."
        )
    return network.eval()
