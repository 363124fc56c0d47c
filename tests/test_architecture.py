"""The plan of the house, held: rooms, import directions, contracts, mirrored tests.

A rule is a function that yields what breaks it.
"""

import ast
import subprocess
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from tests.support.shipped import METHODS

REPOSITORY = Path(__file__).parents[1]
TOPICS = {"generative", "adaptation", "metric_learning", "recommendation"}
SHARED: Mapping[str, set[str]] = {
    "lightning_modules": {
        *("core", "data_contracts", "functional", "networks", "metrics", "optim")
    },
    "datamodules": {"core", "readers"},
    "callbacks": {"core", "critics", "plotting", "predictions", "report", "runs"},
}
"""Rooms of a package that all topics may import, and that import no topic."""
MAY_IMPORT: Mapping[str, set[str]] = {
    "lightning_modules": {"lightning_modules"},
    "datamodules": {"datamodules", "lightning_modules"},
    "callbacks": {"callbacks", "lightning_modules"},
}
PROGRAMS = ("wasserstein_critics", "experiments", "benchmarks")
"""What sees everything and is imported by no package."""
SOURCES = (*SHARED, *PROGRAMS)
CONTRACTS = "lightning_modules/data_contracts/contracts.py"
FOREIGN: Mapping[str, set[str]] = {
    "lightning_modules/core/lightning_internals.py": {
        *("_device_mesh", "_step_supports_amp_scaling")
    },
    "lightning_modules/core/compiled.py": {"__qualname__"},
    "lightning_modules/core/lazy.py": {"name"},  # of a package of ours
    "lightning_modules/core/public_names.py": {"name"},
    "wasserstein_critics/completion.py": {"name"},  # of packages of ours
    "lightning_modules/functional/transport.py": {"solver"},  # a function of POT
    "lightning_modules/networks/backbone.py": {"head", "shape"},  # of a file's values
    "lightning_modules/metrics/features.py": {"name"},  # of a user's network
    "datamodules/core/resumable.py": {"overfit_batches"},
    "datamodules/metric_learning/labelled_table.py": {"f'load_{self.table}'"},
    "datamodules/readers/features/formats.py": {"check_format"},
    "callbacks/recommendation/neighbour_index.py": {"nprobe"},
    "wasserstein_critics/cli/app.py": {"self.subcommand"},  # a function of the trainer
}
"""What files may ask objects of other libraries for by ``hasattr`` or ``getattr``."""
LIMIT = 800
TESTED_WITH: Mapping[str, Mapping[str, str]] = {
    "wasserstein_critics": {"model_card": "export", "completion": "shipped"},
    "wasserstein_critics/cli": {
        "continuation": "checkpoints",
        "flags": "checks",
        "names": "help",
    },
    "datamodules/adaptation": {"augmentation": "paired_rows"},
    "datamodules/core": {"loader": "resumable"},
    "callbacks/runs": dict.fromkeys(
        ("stop_on_signal", "rank_answers", "rank_store", "rank_watch"), "kill"
    ),
    "callbacks/report": dict.fromkeys(("comparison", "run_files", "settings"), "page"),
    "callbacks/recommendation": {
        "item_map": "top_items",
        "neighbour_index": "export_tables",
    },
    "datamodules/recommendation": {"catalogue": "interactions"},
    "datamodules/readers/images": {
        "digit_box": "convert",
        "listing": "folder",
        "mnist_on_photos": "mnist_m",
    },
    "datamodules/readers/tables": {
        "citeulike_lines": "movielens_films",
        "item_columns": "item_table",
        "times": "pair_columns",
    },
    "lightning_modules/adaptation": {
        **dict.fromkeys(
            ("cdan", "coral", "dann", "deep_jdot", "mcc", "mdd", "mmd", "source_only"),
            "base",
        ),
        "importance": "clusters",
        "scores": "evaluation",
    },
    "lightning_modules/core": {
        **dict.fromkeys(("evaluation", "hparams", "records"), "module"),
        **dict.fromkeys(("strategies", "validation"), "module"),
        "limits": "files",
        "old_files": "public_names",
        "pretrained": "recipe",
        "random": "distributed",
        "yaml_size": "memory",
    },
    "lightning_modules/functional": {"entropic": "kantorovich", "layered": "piecewise"},
    "lightning_modules/generative": {
        **dict.fromkeys(("evaluation", "shapes"), "base"),
        **dict.fromkeys(("wgan", "wgan_gp"), "gan"),
    },
    "lightning_modules/metrics": {
        "domains": "selection",
        "modes": "wasserstein",
        "scores": "features",
        "thinning": "wasserstein",
    },
    "lightning_modules/networks": {
        **dict.fromkeys(("linear_map", "mlp", "resnet"), "conv"),
    },
    "lightning_modules/optim": {"paper_defaults": "schedules"},
    "lightning_modules/recommendation": {
        **dict.fromkeys(("ease", "implicit_baselines", "popularity"), "fitted"),
        **dict.fromkeys(("bpr", "hinge", "warp"), "factors"),
        **dict.fromkeys(("item_encoder", "metric", "pairwise"), "cml"),
        **dict.fromkeys(("lightgcn_plus_plus", "propagation"), "lightgcn"),
        "recommender": "fold_in",
    },
}
"""By room: modules whose theorems stand in the test of another one, which imports them.

One theorem is about several of them, such as a loop that all methods of a room equal;
or a file would hold a single test.
"""


# Modules ------------------------------------------------------------------------------


@cache
def modules() -> dict[str, Path]:
    """Every module of ours by its dotted name."""
    named = {}
    for package in SOURCES:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            parts = path.relative_to(REPOSITORY).with_suffix("").parts
            named[".".join(parts).removesuffix(".__init__")] = path
    return named


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def where(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


@cache
def offered(package: str) -> dict[str, str]:
    """Names that a package's ``__init__`` imports, with the modules they are from."""
    return {
        alias.name: node.module
        for node in ast.walk(tree(modules()[package]))
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }


@cache
def imports(name: str) -> frozenset[str]:
    """Modules that a module imports anywhere: in functions and for types alone, too."""
    imported: set[str] = set()
    for node in ast.walk(tree(modules()[name])):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            imported |= {origin(node.module, alias.name) for alias in node.names}
    return frozenset(imported)


def origin(module: str, name: str) -> str:
    """The module that a name comes from, where a package hands it on."""
    if f"{module}.{name}" in modules():
        return f"{module}.{name}"
    path = modules().get(module)
    if path is None or path.name != "__init__.py" or name not in offered(module):
        return module
    return origin(offered(module)[name], name)


def edges() -> Iterator[tuple[str, str]]:
    """Pairs of a module and a module of ours that it imports."""
    for name in modules():
        for imported in sorted(imports(name)):
            if imported.split(".")[0] in (*SOURCES, "tests", "train"):
                yield name, imported


def parts(name: str) -> tuple[str, str]:
    """Package and room of a module; the package itself is in no room."""
    package, room, *_ = [*name.split("."), ""]
    return package, room


# Imports ------------------------------------------------------------------------------


def directions() -> Iterator[str]:
    """Packages import in one direction, and no program."""
    for name, imported in edges():
        package, target = name.split(".")[0], imported.split(".")[0]
        if target not in MAY_IMPORT.get(package, {*SOURCES}):
            yield f"{name} -> {imported}"


def rooms() -> Iterator[str]:
    """A topic imports itself and shared rooms, whatever the package; they no topic."""
    for name, imported in edges():
        (package, room), (target, entered) = parts(name), parts(imported)
        held = package in SHARED and target in SHARED and room and entered
        if held and entered not in SHARED[target] | ({room} & TOPICS):
            yield f"{name} -> {imported}"


def readers() -> Iterator[str]:
    """Readers turn files into arrays, without Lightning and data modules."""
    for name in modules():
        for imported in sorted(imports(name)):
            package, room = parts(imported)
            refused = package == "lightning" or (
                package == "datamodules" and room != "readers"
            )
            if refused and name.startswith("datamodules.readers."):
                yield f"{name} -> {imported}"


def circles() -> Iterator[str]:
    """No modules import each other in a circle, not even for types."""
    graph: dict[str, set[str]] = {name: set() for name in modules()}
    for name, imported in edges():
        if imported in graph:
            graph[name].add(imported)
    size = 0
    while size != len(graph):
        size = len(graph)
        # What imports nothing that is left, or is imported by nothing, is in no circle.
        used = {imported for targets in graph.values() for imported in targets}
        rest = {name for name, targets in graph.items() if targets and name in used}
        graph = {name: graph[name] & rest for name in rest}
    for name in sorted(graph):
        yield from (f"{name} -> {imported}" for imported in sorted(graph[name]))


def places() -> Iterator[str]:
    """Every module of a package is in a room, and every room a topic or shared."""
    for name, path in modules().items():
        package, room = parts(name)
        if package in SHARED and room and room not in SHARED[package] | TOPICS:
            yield where(path)


# Contracts ----------------------------------------------------------------------------


def attributes() -> Iterator[str]:
    """What data and methods offer is stated by the Protocols of the contracts.

    ``hasattr`` and ``getattr`` are for objects of other libraries, see `FOREIGN`.
    """
    for path in modules().values():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and is_question(node):
                name = asked_for(node)
                if where(path) != CONTRACTS and name not in FOREIGN.get(
                    where(path), ()
                ):
                    yield f"{where(path)}: {name}"


def asked_for(call: ast.Call) -> str:
    name = call.args[1]
    return str(name.value) if isinstance(name, ast.Constant) else ast.unparse(name)


def is_question(call: ast.Call) -> bool:
    """Whether a call asks another object for an attribute."""
    asks = ast.unparse(call.func) in ("hasattr", "getattr")
    # the module's own attribute, by a name that is computed
    own = asks and ast.unparse(call.args[0]) == "self"
    return asks and not (own and not isinstance(call.args[1], ast.Constant))


def overrides() -> Iterator[str]:
    """Methods that leave an argument unused say ``@override`` of typing_extensions."""
    mark = "noqa: " + "ARG"
    files = [*modules().values(), *(REPOSITORY / "tests").rglob("*.py")]
    yield from (where(p) for p in files if mark in p.read_text())


def repeated() -> Iterator[str]:
    """A function or class of five lines or more is written once, in tests too."""
    seen: dict[str, Path] = {}
    for path in [*modules().values(), *sorted((REPOSITORY / "tests").rglob("*.py"))]:
        for node in tree(path).body:
            if not isinstance(node, ast.FunctionDef | ast.ClassDef):
                continue
            first = seen.setdefault(ast.dump(node), path)
            if first != path and node.end_lineno - node.lineno >= 4:  # type: ignore[operator]
                yield f"{node.name}: {where(first)}, {where(path)}"


# Tests --------------------------------------------------------------------------------


def mirrored() -> Iterator[str]:
    """Every module with logic has a test at the mirrored path, or see `TESTED_WITH`.

    Programs that make the docs are tested as wholes.
    """
    for name, path in modules().items():
        if name.split(".")[0] in ("experiments", "benchmarks") or not has_logic(path):
            continue
        room = where(path.parent)
        other = TESTED_WITH.get(room, {}).get(path.stem)
        test = REPOSITORY / "tests" / room / f"test_{other or path.stem}.py"
        if not test.is_file() or (other and name not in imported_by(test)):
            yield where(path)


def imported_by(path: Path) -> set[str]:
    """Modules of ours that a test imports, or whose names it takes from a package."""
    froms = (n for n in ast.walk(tree(path)) if isinstance(n, ast.ImportFrom))
    return {origin(n.module, a.name) for n in froms if n.module for a in n.names}


def has_logic(path: Path) -> bool:
    """Whether a module, and not a package or a program, has a function with a body."""
    functions = (n for n in ast.walk(tree(path)) if isinstance(n, ast.FunctionDef))
    return not path.name.startswith("__") and any(map(does_something, functions))


def does_something(function: ast.FunctionDef) -> bool:
    """Whether a function has more than a docstring, ``...`` or ``raise``."""
    return not all(
        isinstance(statement, ast.Pass | ast.Raise)
        or (
            isinstance(statement, ast.Expr)
            and isinstance(statement.value, ast.Constant)
        )
        for statement in function.body
    )


# Sizes --------------------------------------------------------------------------------


def ancestors() -> Iterator[str]:
    """A method is made of at most three own classes; more are parts that it holds."""
    for cls in METHODS:
        own = [c for c in cls.__mro__ if c.__module__.split(".")[0] in SOURCES]
        if len(own) > 3:
            yield cls.__name__


def files() -> Iterator[str]:
    """The tree has at most 800 files beside docs; records of one kind stand in one."""
    command = ["git", "-C", str(REPOSITORY), "ls-files", ":!docs"]
    listed = subprocess.run(command, capture_output=True, check=False, timeout=60)
    if len(listed.stdout.splitlines()) > LIMIT:
        yield f"more than {LIMIT} files"


RULES: tuple[Callable[[], Iterator[str]], ...] = (
    *(directions, rooms, readers, circles, places),
    *(attributes, overrides, repeated, mirrored, ancestors, files),
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_rule_of_the_house_holds(rule: Callable[[], Iterator[str]]) -> None:
    broken = set(rule())
    assert not broken, "\n".join([f"{rule.__doc__}", *sorted(broken)])
