"""The model card: what a run measured, of what, by what; nothing is typed by hand."""

import glob
import inspect
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from callbacks.report.run_files import Run, read_run
from callbacks.runs.run_config import KEY
from lightning_modules.core.module import AlternatingModule
from lightning_modules.core.public_names import public_class


class Exported(NamedTuple):
    """What an exported folder is made of.

    Args:
        run: The run's folder.
        path: The checkpoint's file.
        checkpoint: What it holds.
        module: The method with its weights.
        averaged: Whether they are a running average.
        name: Name of the folder.
        license: Licence of the weights, or None.
    """

    run: Run
    path: Path
    checkpoint: Mapping[str, Any]
    module: AlternatingModule
    averaged: bool
    name: str = ""
    license: str | None = None


class KnownData(NamedTuple):
    """What is known of a public data set: licence, place, name on the Hub."""

    licence: str
    place: str
    hub: str | None = None


_SYNTHETIC = KnownData("none needed: it is drawn at random", "made by the data module")
_DIGITS = KnownData("CC BY 4.0", "archive.ics.uci.edu/dataset/80, with scikit-learn")
DATA: Mapping[str, KnownData] = {
    "Digits": _DIGITS,
    "DigitsShift": _DIGITS,
    "MNIST": KnownData("CC BY-SA 3.0", "yann.lecun.com/exdb/mnist", "ylecun/mnist"),
    "FashionMNIST": KnownData(
        "MIT",
        "github.com/zalandoresearch/fashion-mnist",
        "zalando-datasets/fashion_mnist",
    ),
    "MovieLens": KnownData(
        "that of GroupLens: research, no commercial use, no redistribution",
        "grouplens.org/datasets/movielens",
    ),
    "PointClouds": _SYNTHETIC,
    "ShiftedBlobs": _SYNTHETIC,
    "PlantedInteractions": _SYNTHETIC,
}
"""Data whose licence is published; of other data the card says that its reader must
ask."""
INTENDED: Mapping[str, str] = {
    "generative": "Samples that resemble the data: for teaching, tests, comparisons "
    "of methods. They are not data: statistics of samples are not those of the world, "
    "and the generator knows nothing that its training data did not show.",
    "adaptation": "Classes for samples of the target domain named above. Its accuracy "
    "on other domains is not known, and no class but those it was trained on exists "
    "for it.",
    "metric_learning": "Distances between samples like those of the data, or their "
    "classes. What it makes of other samples is not known.",
    "recommendation": "Rankings of the items of its data. It holds a vector for each "
    "user of that data, or sums over them: where users are people, that is personal "
    "data, and publishing it needs their consent or another ground in law.",
}
_TASKS = {
    "generative": ("unconditional-image-generation", "image generation"),
    "adaptation": ("image-classification", "classification"),
    "metric_learning": ("feature-extraction", "metric learning"),
    "recommendation": ("other", "recommendation"),
}
_FILES = {
    "config.json": "method, arguments, networks: what is built",
    "model.safetensors": "the weights, without pickled code",
    "model.onnx": "what the method computes of its input, equal to torch up to 1e-4",
    "samples.png": "64 samples, seed 0",
    "users.parquet": "the ids of the users, in the order of their vectors",
    "items.parquet": "the ids of the items, in the order of their vectors",
}
_LIBRARY = "wasserstein-critics"


def model_card(exported: Exported, folder: Path) -> str:
    """``README.md`` as the Hub expects it: YAML between two lines, then Markdown.

    Args:
        exported: What is exported.
        folder: The folder, in which all other files are.
    """
    front = yaml.safe_dump(_front_matter(exported), sort_keys=False)
    return f"---\n{front}---\n\n" + "\n".join(_lines(exported, folder)) + "\n"


def _front_matter(exported: Exported) -> dict[str, Any]:
    topic, method, data = _topic(exported), _method(exported), _data(exported)
    task, task_name = _TASKS[topic]
    known = DATA.get(data)
    licence = {"license": exported.license} if exported.license else {}
    hub = {"datasets": [known.hub]} if known and known.hub else {}
    values = [(name, value) for name, value, _ in _values(exported)]
    tested = [pair for pair in values if pair[0].startswith("test/")]
    validated = [pair for pair in values if pair[0].startswith("val/")]
    metrics = [
        {"type": name.partition("/")[2], "name": name, "value": value}
        for name, value in tested or validated
    ]
    dataset = {"type": (known and known.hub) or data.lower(), "name": data}
    task_entry = {"type": task, "name": task_name}
    result = {"task": task_entry, "dataset": dataset, "metrics": metrics}
    index = [{"name": _title(exported), "results": [result]}] if metrics else []
    return {
        "library_name": _LIBRARY,
        **licence,
        "pipeline_tag": task,
        "tags": [_LIBRARY, "pytorch-lightning", method.lower(), topic],
        **hub,
        **({"model-index": index} if index else {}),
    }


def _lines(exported: Exported, folder: Path) -> Iterator[str]:
    method, topic = _method(exported), _topic(exported)
    yield f"# {_title(exported)}\n"
    yield f"{_first_sentence(type(exported.module))}\n"
    if (folder / "samples.png").is_file():
        yield "![64 samples](samples.png)\n"
    yield "## Use\n"
    yield f"```python\nfrom lightning_modules import {method}\n"
    yield f"model = {method}.from_pretrained({json.dumps(exported.name)})"
    yield from _use(topic)
    yield "```\n"
    yield "## Measured\n"
    yield from _table(exported)
    yield "\n## Data\n"
    yield from _about_data(exported)
    yield "\n## Training\n"
    yield from _about_training(exported)
    yield f"\n## Intended use\n\n{INTENDED[topic]}\n"
    yield "## Licence\n"
    yield _licence(exported)
    yield "\n## Files\n"
    for name, meaning in _FILES.items():
        if (folder / name).is_file():
            yield f"- `{name}`: {meaning}"


def _use(topic: str) -> Iterator[str]:
    if topic == "generative":
        yield "samples = model.sample(16)  # images are in [-1, 1]"
    elif topic == "recommendation":
        yield "vectors = model.state_dict()"
    else:
        yield "outputs = model(x)  # x as the data module gives it"


def _table(exported: Exported) -> Iterator[str]:
    rows = _values(exported)
    if not rows:
        yield "Nothing: the run has no metrics.csv with values up to this step."
        return
    yield "| quantity | value | step |\n|---|---|---|"
    for name, value, step in rows:
        yield f"| {_code(name)} | {value:.6g} | {step} |"
    weights = "running averages of the weights" if exported.averaged else "the weights"
    yield (
        f"\nAt step {exported.checkpoint.get('global_step', 0)}, with {weights}; "
        "`train/` are the last logged values of the training itself."
    )


def _values(exported: Exported) -> list[tuple[str, float, int]]:
    """Name, value and step of what was measured last, tests first."""
    run, step = exported.run, int(exported.checkpoint.get("global_step", 0))
    rows: dict[str, tuple[str, float, int]] = {}
    for one in (*_tests(exported), run):
        for name in sorted(one.series, key=_order):
            until = [(s, value) for s, value in one.finite(name) if s <= step]
            if until and (until[-1][0] == step or not name.startswith("test/")):
                rows.setdefault(name, (name, until[-1][1], until[-1][0]))
    return list(rows.values())


def _tests(exported: Exported) -> Iterator[Run]:
    """The tests of the checkpoint, the newest first."""
    start = f"test-{exported.path.stem}"
    numbers: dict[int, Path] = {}
    for path in exported.run.folder.glob(f"{glob.escape(start)}*/run.json"):
        number = path.parent.name.removeprefix(start).removeprefix("-") or "0"
        if number.isdigit():
            numbers[int(number)] = path.parent
    yield from (read_run(numbers[number]) for number in sorted(numbers, reverse=True))


def _order(name: str) -> tuple[int, str]:
    stages = ("test", "val", "train")
    stage = name.partition("/")[0]
    return (stages.index(stage) if stage in stages else 3, name)


def _about_data(exported: Exported) -> Iterator[str]:
    name = _data(exported)
    cls = public_class(name)
    if cls is not None:
        yield f"`{name}`: {_first_sentence(cls)}"
    else:
        yield f"{_code(name)}, a data module that is not of this library."
    saved = exported.checkpoint.get(KEY) or {}
    amounts = str(saved.get("summary") or "").partition(": ")[2]
    if amounts:
        yield f"\n{_plain(amounts)}"
    known = DATA.get(name)
    if known:
        yield f"\nSource: {known.place}. Licence of the data: {known.licence}."
    else:
        yield "\nSource and licence of the data: not known here; ask who trained it."


def _about_training(exported: Exported) -> Iterator[str]:
    record = exported.run.record
    yield f"```bash\n{_command(str(record.get('command', '')))}\n```\n"
    packages = record.get("packages")
    versions = packages.items() if isinstance(packages, dict) else ()
    changed = " with changes" if record.get("modified") else ""
    facts = {
        "steps": exported.checkpoint.get("global_step"),
        "seed": exported.run.config.get("seed_everything"),
        "started": record.get("started"),
        "seconds": record.get("seconds"),
        "commit": f"{record['commit']}{changed}" if record.get("commit") else None,
        "Python": record.get("python"),
        "platform": record.get("platform"),
        "packages": ", ".join(f"{k} {v}" for k, v in versions if v),
    }
    for name, value in facts.items():
        if value not in (None, ""):
            yield f"- {name}: {_plain(str(value))}"


def _licence(exported: Exported) -> str:
    if exported.license:
        return f"{_plain(exported.license)} for the weights; that of the data is above."
    return "Not stated: ask who trained it."


def _command(command: str) -> str:
    """The command as an installation has it, without the place of the program."""
    try:
        words = shlex.split(command)
    except ValueError:  # a quote without its partner
        words = command.split()
    return shlex.join([_LIBRARY, *words[1:]]).replace("```", "'''")


def _title(exported: Exported) -> str:
    return _plain(f"{_method(exported)} on {_data(exported)}")


def _method(exported: Exported) -> str:
    return type(exported.module).__name__


def _data(exported: Exported) -> str:
    """The class of the data module by its name."""
    data = exported.run.config.get("data")
    path = data.get("class_path") if isinstance(data, dict) else None
    return str(path or "data of its own").rpartition(".")[2]


def _topic(exported: Exported) -> str:
    """The room of the method, that of its base where it is a user's own."""
    rooms = [cls.__module__.split(".") for cls in type(exported.module).__mro__]
    return next(room[1] for room in rooms if len(room) > 2 and room[1] in INTENDED)


def _first_sentence(cls: type) -> str:
    return (inspect.getdoc(cls) or "").split("\n\n")[0].replace("\n", " ")


def _plain(text: str) -> str:
    """One line of text from a file, in which nothing is markup."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    return f"`{re.sub(r'[`|]', '', ' '.join(text.split()))}`"
