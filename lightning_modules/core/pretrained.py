"""Trained models as folders: tensors, and how to build what they belong to.

``config.json`` and ``model.safetensors`` hold no code. What they name is built by the
rule of checkpoints: classes of this library and of `TRUSTED` packages.
"""

import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from lightning_modules.core.files import PathLike, check_file, write_whole, wrong_part
from lightning_modules.core.hparams import INSTANTIATOR, Module, method_class
from lightning_modules.core.recipe import (
    CHECKSUM,
    Recipe,
    build,
    checksum,
    read_tensors,
    recipe_of,
)
from lightning_modules.core.validation import NotFiniteError, not_finite

CONFIG, TENSORS, CARD = "config.json", "model.safetensors", "README.md"
SHIPPED = Path(__file__).parents[2] / "wasserstein_critics" / "models"
STATE = ("sizes", "trained_on", "class_names", "selection", "epoch", "global_step")
"""Parts of a checkpoint, beside weights and arguments, that a trained model needs."""
_BESIDE = "item_points"  # a tensor of a checkpoint that is not in its state_dict
_LARGEST = 10 * 2**20  # bytes of a config; those that are written have some thousands
_OWN = ("library_name", "library_version", CHECKSUM)


# Writing ------------------------------------------------------------------------------


def write_model(
    folder: Path, checkpoint: Mapping[str, Any], module: nn.Module
) -> dict[str, Any]:
    """Write the config and the tensors of a trained module into a folder.

    Args:
        folder: It exists.
        checkpoint: That of the module, with arguments in their present form.
        module: The module; its weights may be averages of those in the checkpoint.

    Returns:
        What ``config.json`` says.

    Raises:
        NotFiniteError: If a weight is not finite.
    """
    state = dict(module.state_dict())
    if _BESIDE in checkpoint:
        state[_BESIDE] = checkpoint[_BESIDE]
    for name in not_finite(state.items(), dict(module.named_parameters())):
        raise NotFiniteError(
            f"{name} holds NaN or infinity: export a checkpoint from before training "
            "diverged."
        )
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in state.items()}
    text = json.dumps(_described(checkpoint, module, tensors), indent=2) + "\n"
    config: dict[str, Any] = json.loads(text)
    write_whole(folder / CONFIG, text)
    mark = {CHECKSUM: _checksum(config, tensors)}
    write_whole(folder / TENSORS, save(tensors, metadata=mark))
    return config


def _described(
    checkpoint: Mapping[str, Any], module: nn.Module, tensors: Mapping[str, Tensor]
) -> dict[str, Any]:
    arguments = dict(checkpoint["hyper_parameters"])
    networks = dict(_networks(module))
    inside = tuple(f"{name}." for name in networks)
    rest = {k: [*v.shape] for k, v in tensors.items() if not k.startswith(inside)}
    return {
        "library_name": "wasserstein-critics",
        "library_version": _version(),
        "class_path": arguments["_class_path"],
        "init_args": {k: v for k, v in arguments.items() if not k.startswith("_")},
        "state": {key: checkpoint[key] for key in STATE if key in checkpoint},
        "networks": networks,
        "shapes": rest,
    }


def _version() -> str | None:
    try:
        return metadata.version("wasserstein-critics")
    except metadata.PackageNotFoundError:  # a clone without an installation
        return None


def _networks(module: nn.Module, start: str = "") -> Iterator[tuple[str, Recipe]]:
    """Names and recipes of the networks within a module."""
    for name, child in module.named_children():
        if recipe := recipe_of(child):
            yield start + name, recipe
        else:
            yield from _networks(child, f"{start}{name}.")


def _checksum(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    kept = {key: value for key, value in config.items() if key not in _OWN}
    return checksum(kept, tensors)


# Reading ------------------------------------------------------------------------------


def load_model(cls: type[Module], name: PathLike, trusted: Sequence[str]) -> Module:
    """A trained module, see ``from_pretrained`` of the methods.

    Raises:
        FileNotFoundError: If there is none of this name.
        ValueError: If the folder is damaged or holds what can't be used.
    """
    folder = find_model(name)
    config, tensors = _read(folder)
    built = method_class(cls, config["class_path"], folder)
    file = _NamedFile(folder)
    torch.save(_checkpoint(folder, config, tensors), file)
    file.seek(0)
    try:
        loaded = built.load_from_checkpoint(file, map_location="cpu", trusted=trusted)
    except Exception as error:  # what constructors make of wrong arguments
        if isinstance(error, ValueError) and str(folder) in str(error):
            raise
        reason = " ".join(str(error).split()).rstrip(".")[:200]
        raise ValueError(
            f"'{folder}' holds no {built.__name__} that can be built ({reason}): "
            "export it again."
        ) from error
    _check_weights(folder, loaded, tensors)
    return loaded.eval()


class _NamedFile(io.BytesIO):
    """A file in memory that messages call by the folder that it was made from."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def __str__(self) -> str:
        return str(self._folder)


def find_model(name: PathLike) -> Path:
    """The folder of a trained model.

    Args:
        name: A folder that was exported, the name of a shipped model, or
            ``user/model`` of the Hugging Face Hub, which needs ``huggingface_hub``.

    Raises:
        FileNotFoundError: If there is none.
    """
    folder, text = Path(name).expanduser(), str(name)
    if (folder / CONFIG).is_file():
        return folder
    if text in (names := shipped_models()):
        return SHIPPED / text
    if re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", text) and not folder.exists():
        return _downloaded(text)
    near = get_close_matches(text, names, 1)
    meant = f"did you mean '{near[0]}'? " if near else ""
    raise FileNotFoundError(
        f"'{name}' is not a folder with a {CONFIG}, nor a shipped model: {meant}those "
        f"are {', '.join(names)}."
    )


def shipped_models() -> list[str]:
    """Names of the models that come with the library."""
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{CONFIG}"))


def _downloaded(name: str) -> Path:
    """The folder of a model of the Hub, in its own cache."""
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise FileNotFoundError(
            f"There is no folder '{name}', and the Hugging Face Hub needs a package: "
            "run pip install 'wasserstein-critics[hub]'."
        ) from error
    try:
        return Path(snapshot_download(name, allow_patterns=[CONFIG, TENSORS, CARD]))
    except Exception as error:  # the Hub's own, of its client, of the network
        reason = " ".join(str(error).split()).rstrip(".")[:200]
        raise FileNotFoundError(
            f"There is no folder '{name}', and the Hugging Face Hub gives no such "
            f"model ({reason}): check the name, or export it to a folder."
        ) from error


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Config and tensors of a folder, as they were written."""
    path = folder / CONFIG
    check_file(path)
    check_file(folder / TENSORS)
    if path.stat().st_size > _LARGEST:
        raise ValueError(f"'{path}' is too large for a config: export the run again.")
    try:
        config = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"'{path}' is damaged ({error}): copy it again.") from error
    if reason := _wrong_config(config):
        raise ValueError(
            f"'{path}' is not an exported model ({reason}): export it again."
        )
    marks, tensors = read_tensors(folder / TENSORS)
    if marks.get(CHECKSUM) != _checksum(config, tensors):
        raise ValueError(
            f"'{folder}' is damaged, for the checksum of its {CONFIG} and {TENSORS} is "
            "another: copy both again, or export the run again."
        )
    return config, tensors


def _wrong_config(config: Any) -> str | None:
    """What is wrong with a config, or None."""
    if not isinstance(config, dict):
        return "it holds no names"
    kinds = {"class_path": str, "init_args": dict, "state": dict, "networks": dict}
    odd = [k for k, kind in kinds.items() if not isinstance(config.get(k), kind)]
    if odd:
        return f"its {odd[0]} is missing or of another type"
    sizes = config["state"].get("sizes", [0, 0, 0])
    whole = isinstance(sizes, list) and all(type(n) is int and n >= 0 for n in sizes)
    return None if whole and len(sizes) == 3 else "its sizes are not three numbers"


def _checkpoint(
    folder: Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> dict[str, Any]:
    """What ``load_from_checkpoint`` takes."""
    weights = dict(tensors)
    beside = {_BESIDE: weights.pop(_BESIDE)} if _BESIDE in weights else {}
    arguments = dict(config["init_args"], _class_path=config["class_path"])
    state = {key: value for key, value in config["state"].items() if key in STATE}
    checkpoint = {
        "pytorch-lightning_version": metadata.version("lightning"),
        "state_dict": weights,
        "hyper_parameters": {**arguments, "_instantiator": INSTANTIATOR},
        **state,
        **beside,
    }
    if reason := wrong_part(checkpoint):
        raise ValueError(f"'{folder}' holds no model ({reason}): export it again.")
    return checkpoint


def _check_weights(
    folder: Path, module: nn.Module, tensors: Mapping[str, Tensor]
) -> None:
    """Refuse what copying made numbers of, and weights that are not finite."""
    own, weights = module.state_dict(), dict(module.named_parameters())
    strange = [
        name
        for name, value in own.items()
        if value.is_floating_point() != tensors[name].is_floating_point()
    ]
    if bad := [*strange, *not_finite(own.items(), weights)]:
        raise ValueError(
            f"'{folder}' holds no finite numbers in {bad[0]}: export a checkpoint from "
            "before training diverged."
        )


# The Hub ------------------------------------------------------------------------------


class ExportedNetworks(nn.Module):
    """The networks of an exported folder by name, without a method.

    ``class Hub(ExportedNetworks, huggingface_hub.PyTorchModelHubMixin)`` loads and
    pushes such folders: their ``config.json`` holds these arguments. Networks have the
    names that they have in the method, as ``get_submodule("adapted.extractor")``.

    Args:
        networks: Recipes by name; what they name must be known, see
            ``lightning_modules.remembers``.
        shapes: Shapes of all other tensors by name, such as tables of points.

    Raises:
        ValueError: If a recipe names anything else.

    Example:
        >>> from lightning_modules.networks import MLPCritic
        >>> networks = {"critic": recipe_of(MLPCritic((2,), hidden=(4,)))}
        >>> ExportedNetworks(networks, {"items.weight": [3, 2]}).items.weight.shape
        torch.Size([3, 2])
    """

    def __init__(
        self, networks: Mapping[str, Recipe], shapes: Mapping[str, Sequence[int]]
    ) -> None:
        super().__init__()
        for name, recipe in networks.items():
            parent, last = self._parent(name)
            parent.add_module(last, build(recipe))
        for name, shape in shapes.items():
            parent, last = self._parent(name)
            parent.register_buffer(last, torch.zeros(*shape))

    def _parent(self, name: str) -> tuple[nn.Module, str]:
        """The module that is to hold what has this name, made where it is missing."""
        *path, last = name.split(".")
        module: nn.Module = self
        for part in path:
            if part not in dict(module.named_children()):
                module.add_module(part, nn.Module())
            module = module.get_submodule(part)
        return module, last
