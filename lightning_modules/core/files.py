"""Atomic writes of files, checks of what is read, and names that can be shown."""

import io
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from torch import Tensor

PathLike = str | os.PathLike[str]
PARTS = (".*.part", "*.ckpt.part", ".*.building", ".*.rank[0-9]*")
"""Names of files and folders that are being written."""
Content = bytes | str | Callable[[BinaryIO], object]


def write_whole(path: PathLike, content: Content) -> Path:
    """Write a file atomically: complete or not at all, even if the process is killed.

    Args:
        path: Path of the file; missing directories are created.
        content: Bytes, a string (UTF-8), or a function that writes to an open binary
            file, which is in memory.

    Returns:
        The path.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     write_whole(Path(directory, "new", "a.txt"), "hello").read_text()
    'hello'
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            _fill(file, content)
        return put_in_place(part, target)
    finally:
        part.unlink(missing_ok=True)


def remove_parts(folder: PathLike) -> None:
    """Remove what killed writers have left in a folder; none may be writing there."""
    for pattern in PARTS:
        for path in Path(folder).glob(pattern):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _fill(file: BinaryIO, content: Content) -> None:
    if callable(content):
        # Libraries hide in errors of their own that a disk is full: this one does not.
        buffer = io.BytesIO()
        content(buffer)
        file.write(buffer.getbuffer())
    else:
        file.write(content.encode() if isinstance(content, str) else content)


def put_in_place(part: PathLike, target: PathLike) -> Path:
    """Rename a finished file, after its bytes are on the disk."""
    with Path(part).open("rb") as file:
        os.fsync(file.fileno())
    return Path(part).replace(target)


def free_name(path: PathLike) -> Path:
    """The path itself, or the first of ``name-1``, ``name-2``, ... that is free.

    >>> free_name("no-such-directory/config.yaml").as_posix()
    'no-such-directory/config.yaml'
    """
    first = Path(path)
    candidate, number = first, 0
    while candidate.exists():
        number += 1
        candidate = first.with_name(f"{first.stem}-{number}{first.suffix}")
    return candidate


def check_file(path: PathLike, name: str = "") -> None:
    """Refuses a folder, and pipes and devices, which would be waited for or never end.

    Args:
        path: What was found; links are followed.
        name: What the sentence begins with; by default the path.

    Raises:
        FileNotFoundError: Nothing is there.
        ValueError: It is no file.
    """
    if Path(path).is_file():
        return
    shown = name or readable(path)
    if not Path(path).exists():
        raise FileNotFoundError(f"{shown} does not exist; put the file there.")
    kind = "folder" if Path(path).is_dir() else "pipe or device"
    raise ValueError(f"{shown} is a {kind}, not a file; replace it.")


def damage(path: PathLike) -> str | None:
    """What is wrong with a file that ``torch.save`` wrote, or None.

    It is a zip file, in which each part has a checksum. ``torch.load`` compares none of
    them, so that a flipped bit in a weight would be trained on.
    """
    try:
        with zipfile.ZipFile(path) as file:
            packed = [p.filename for p in file.infolist() if p.compress_type]
            if packed:
                return f"'{packed[0]}' in it is compressed, as torch never writes"
            part = file.testzip()
    except FileNotFoundError:
        raise
    except Exception as error:  # a damaged head raises a dozen kinds
        return " ".join(str(error).split()) or type(error).__name__
    return None if part is None else f"the checksum of '{part}' is another"


def check_undamaged(path: PathLike) -> None:
    """Refuse a local file that ``torch.save`` did not write as it is now.

    Raises:
        ValueError: Naming the file. What is no file here is not looked at.
    """
    if Path(path).is_file() and (reason := damage(path)):
        raise ValueError(
            f"'{path}' is damaged or cut off ({reason}): use another checkpoint, such "
            "as last-previous.ckpt beside it."
        )


_PARTS: dict[str, tuple[type, str]] = {
    "pytorch-lightning_version": (str, "a version"),
    "state_dict": (Mapping, "real tensors by name"),
    "epoch": (int, "a whole number"),
    "global_step": (int, "a whole number"),
    "hyper_parameters": (Mapping, "arguments by name"),
    "loops": (Mapping, "a dict"),
    "callbacks": (Mapping, "a dict"),
    "optimizer_states": (list, "a list"),
    "lr_schedulers": (list, "a list"),
    "random_states": (list, "a list"),
    "run": (Mapping, "a dict"),
    "schedule": (Mapping, "a dict"),
    "noise": (Tensor, "a tensor"),
}
"""Parts of a checkpoint: their types, and in words what they are."""


def wrong_part(checkpoint: object) -> str | None:
    """Which part of a checkpoint is not of the type that it is written in, or None.

    >>> wrong_part({"state_dict": {}, "global_step": "9"})
    'its global_step is not a whole number'
    """
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        return "it holds no state_dict"
    for name, (kind, meaning) in _PARTS.items():
        if name in checkpoint and not _is_sound(name, checkpoint[name], kind):
            return f"its {name} is not {meaning}"
    return None


def _is_sound(name: str, value: Any, kind: type) -> bool:
    is_kind = isinstance(value, kind) and not isinstance(value, bool)
    if not is_kind:
        return False
    if kind is int:
        return bool(value >= 0)
    if kind is str:
        return re.match(r"\d+\.\d+", value) is not None
    tensors = value.values() if name == "state_dict" else ()
    return all(isinstance(x, Tensor) and not x.is_complex() for x in tensors)


def check_kinds(own: Mapping[str, Tensor], saved: Mapping[str, Any]) -> None:
    """Refuse weights whose values torch would round off, or make of counts.

    Args:
        own: State of the module that loads; a name that one alone has is ignored.
        saved: ``state_dict`` of the checkpoint.

    Raises:
        RuntimeError: As torch does for another shape, naming the tensor.

    >>> import torch
    >>> check_kinds({"w": torch.zeros(2)}, {"w": torch.zeros(2, dtype=torch.bfloat16)})
    >>> check_kinds({"w": torch.zeros(2)}, {"w": torch.zeros(2, dtype=torch.int64)})
    Traceback (most recent call last):
    RuntimeError: Error(s) in loading state_dict:
        kind mismatch for w: torch.int64 in the file, torch.float32 in the model.
    """
    for name in own.keys() & saved.keys():
        kinds = own[name].dtype, saved[name].dtype
        if kinds[0].is_floating_point != kinds[1].is_floating_point:
            raise RuntimeError(
                "Error(s) in loading state_dict:\n"
                f"    kind mismatch for {name}: {kinds[1]} in the file, {kinds[0]} in "
                "the model."
            )


def readable(name: PathLike) -> str:
    r"""A name as it can be shown and written: bytes that are not UTF-8 as escapes.

    >>> readable("caf\udce9.png")
    'caf\\xe9.png'
    """
    return os.fsencode(name).decode(errors="backslashreplace")
