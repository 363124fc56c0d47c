"""Mutation testing: small changes of the code, and whether a test notices each.

``cover`` runs the tests once and keeps which of them reach which line. ``run`` draws
the same number of mutants in every module of `SCOPE` and runs the tests that reach the
changed lines, the quick ones first. Each mutant lives in a forked process, which
imports the changed source in the place of the file: the checkout stays as it is, and
torch is loaded once. Programs that a test starts are not changed.

Records stand in ``docs/reliability/mutants.jsonl``. To try a mutant again, delete its
line; that of one that lived is given a ``reason`` by hand.
"""

import ast
import contextlib
import importlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from experiments.jobs import at_least, command_parser, exit_status
from experiments.provenance import ROOT, commit, require_root
from experiments.records import RESULTS, RUNS, Record, RecordFile

SCOPE: Mapping[str, Sequence[str]] = {
    "lightning_modules/functional": ("*",),
    "lightning_modules/generative": ("base", "gan", "wgan", "wgan_gp"),
    "lightning_modules/adaptation": ("*",),
    "lightning_modules/metric_learning": ("*",),
    "lightning_modules/recommendation": ("*",),
    "lightning_modules/core": (
        *("alternating", "optimisation", "module", "penalty", "random"),
    ),
    "lightning_modules/optim": ("rowwise_adagrad", "schedules"),
    "lightning_modules/metrics": ("ranking", "selection"),
    "datamodules/core": ("hold_out", "loader", "resumable", "samplers"),
    "datamodules/recommendation": ("splitting", "split_table"),
    "callbacks/runs": ("checkpoint", "ema", "exact_resume"),
}
"""Modules that are mutated."""
TESTS = (
    *("tests/lightning_modules", "tests/callbacks/runs", "tests/callbacks/core"),
    *("tests/datamodules/core", "tests/datamodules/recommendation"),
    *("tests/datamodules/metric_learning", "tests/test_arguments.py"),
)
"""What may notice a mutant; the tests of the command line would take hours."""
WORK = RUNS / "mutants"
PATIENCE = 300  # seconds that the tests of a mutant have, on a busy machine
WORTH = 40  # seconds of a processor that they have
ENOUGH = 8.0  # seconds of tests, by `cover`, after which no other is added
MEMORY = 12 << 30  # bytes; a mutant may ask for any number
PACKAGES = ("lightning_modules", "datamodules", "callbacks")
RECORDS = RecordFile(
    RESULTS.parent / "reliability" / "mutants.jsonl", WORK, ("module", "number")
)
THEIRS = (
    *("torch", "torch.distributed", "torch.multiprocessing", "torch.utils.data"),
    *("torchvision", "torchvision.transforms.v2", "torchmetrics.classification"),
    *("torchmetrics.image", "lightning.pytorch.cli", "lightning.pytorch.loggers"),
    *("sklearn.datasets", "sklearn.neighbors", "sklearn.svm", "scipy.optimize"),
    *("scipy.sparse", "scipy.stats", "scipy.io", "ot", "hypothesis.strategies"),
    *("jsonargparse", "beartype", "jaxtyping", "matplotlib.pyplot", "pytest"),
    *("safetensors.torch", "PIL.Image", "h5py", "yaml", "wandb", "implicit", "timm"),
)
"""What the tests import of others: loaded once, before the forks."""

# Mutants ------------------------------------------------------------------------------

OTHER: dict[type[ast.AST], type[ast.AST]] = {
    **{ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt},
    **{ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is},
    **{ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And},
    **{ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult},
    **{ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult},
    **{ast.BitAnd: ast.BitOr},
}
PAIRS = (
    *(("min", "max"), ("minimum", "maximum"), ("amin", "amax"), ("argmin", "argmax")),
    *(("any", "all"), ("sum", "mean"), ("zeros", "ones"), ("floor", "ceil")),
    *(("zeros_like", "ones_like"), ("clamp_min", "clamp_max")),
)
NAMES = {one: other for a, b in PAIRS for one, other in ((a, b), (b, a))}
UNDONE = {
    *("abs", "clamp", "clamp_", "clamp_min", "clone", "detach", "exp", "log"),
    *("float", "sqrt", "square", "t"),
}
"""Methods of tensors that a mutant leaves out."""
LEFT_ALONE = (ast.Assert, ast.Import, ast.ImportFrom, ast.JoinedStr, ast.arg)
BLOCKS = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.FunctionDef, ast.ClassDef)
UNREAD = {"annotation", "returns", "decorator_list", "bases", "type_params"}


class Site(NamedTuple):
    """A place in a syntax tree, and what stands there in a mutant.

    Attributes:
        scope: Names of the class and the function.
        lines: First and last line of the statement, of a block those of its head.
        kind: Kind of change.
        old: Node of the source.
        new: Node of the mutant.
    """

    scope: str
    lines: range
    kind: str
    old: ast.AST
    new: ast.AST


def mutants(source: str) -> list[str]:
    r"""All mutants of a module.

    >>> mutants("x = f(a, k=n - 1)")
    ['x = a', 'x = f(a)', 'x = f(a, k=n + 1)', 'x = f(a, k=n - 2)']
    >>> mutants("x = max(a.detach(), y)")[:3]
    ['x = a.detach()', 'x = max(y, a.detach())', 'x = min(a.detach(), y)']
    >>> mutants("x = a.detach() < -y")
    ['x = a.detach() <= -y', 'x = a < -y', 'x = a.detach() < y']
    >>> mutants("f()") + mutants("self.a = b") + mutants("a -= b")
    ['pass', 'pass', 'pass', 'a += b']
    >>> mutants("if not a: raise E(1)")[:2]
    ['if a:\n    raise E(1)', 'if not a:\n    pass']
    >>> mutants("a or b if c else d") + mutants("a | True")
    ['d if c else a or b', 'a and b if c else d', 'True | a', 'a | False']
    """
    return [mutant(source, number)[1] for number in range(len(sites(source)))]


def mutant(source: str, number: int) -> tuple[Site, str]:
    """A mutant of a module: what it changes, and its source."""
    tree = ast.parse(source)
    site = list(_sites(tree, "", range(0)))[number]
    return site, ast.unparse(_Replace(site).visit(tree))


def sites(source: str) -> list[Site]:
    """Where a module can be changed, in a fixed order."""
    return list(_sites(ast.parse(source), "", range(0)))


class _Replace(ast.NodeTransformer):
    def __init__(self, site: Site) -> None:
        self.site = site

    def visit(self, node: ast.AST) -> Any:
        if node is self.site.old:
            return self.site.new
        return self.generic_visit(node)


def _sites(node: ast.AST, scope: str, lines: range) -> Iterator[Site]:
    if isinstance(node, LEFT_ALONE):
        return
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        scope = f"{scope}.{node.name}".lstrip(".")
    if isinstance(node, ast.stmt):
        last = node.end_lineno or node.lineno
        if isinstance(node, BLOCKS):
            last = node.body[0].lineno - 1
        lines = range(node.lineno, max(node.lineno, last) + 1)
    for kind, new in _variants(node):
        yield Site(scope, lines, kind, node, new)
    if isinstance(node, ast.Raise):  # what it says is another test's
        return
    for name, field in ast.iter_fields(node):
        parts = [] if name in UNREAD else field if isinstance(field, list) else [field]
        for part in parts:
            if isinstance(part, ast.AST):
                yield from _sites(part, scope, lines)


def _variants(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Kinds of change at one node, and what takes its place."""
    match node:
        case ast.Compare(left, [op], right):
            yield "comparison", ast.Compare(left, [OTHER[type(op)]()], right)  # type: ignore[list-item]
        case ast.BoolOp(op, values):
            yield "boolean", ast.BoolOp(OTHER[type(op)](), values)  # type: ignore[arg-type]
        case ast.BinOp(left, op, right) if type(op) in OTHER:
            yield "arithmetic", ast.BinOp(left, OTHER[type(op)](), right)  # type: ignore[arg-type]
        case ast.BinOp(left, ast.BitOr(), right):
            yield "swapped", ast.BinOp(right, ast.BitOr(), left)
        case ast.UnaryOp(ast.Not() | ast.USub(), value):
            yield "negation", value
        case ast.If(test, body, orelse) if not isinstance(test, ast.UnaryOp):
            if ast.unparse(test) != "TYPE_CHECKING":
                yield "negation", ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.IfExp(test, body, orelse):
            yield "negation", ast.IfExp(test, orelse, body)
        case ast.Constant(bool(value)):
            yield "constant", ast.Constant(not value)
        case ast.Constant(int(value) | float(value)):
            yield "constant", ast.Constant(value + 1)
        case ast.AugAssign(target, op, value):
            yield "deleted", ast.Pass()
            if type(op) in OTHER:
                yield "arithmetic", ast.AugAssign(target, OTHER[type(op)](), value)  # type: ignore[arg-type]
        case ast.Expr(ast.Call()) | ast.Raise() | ast.Assign([ast.Attribute()]):
            yield "deleted", ast.Pass()
        case ast.Call():
            yield from _calls(node)


def _calls(node: ast.Call) -> Iterator[tuple[str, ast.AST]]:
    function, arguments, keywords = node.func, node.args, node.keywords
    name = ast.unparse(function).split(".")[-1]
    if name in ("cast", "TypeVar", "super"):
        return
    if isinstance(function, ast.Attribute) and name in UNDONE:
        yield "undone", function.value
    elif arguments and not isinstance(arguments[0], ast.Starred) and name.islower():
        yield "argument", arguments[0]
    if len(arguments) > 1 and not isinstance(arguments[1], ast.Starred):
        swapped = [arguments[1], arguments[0], *arguments[2:]]
        yield "swapped", ast.Call(function, swapped, keywords)
    for number in range(len(keywords)):
        rest = [*keywords[:number], *keywords[number + 1 :]]
        yield f"dropped {keywords[number].arg}", ast.Call(function, arguments, rest)
    if name in NAMES:
        yield "renamed", ast.Call(_renamed(function, NAMES[name]), arguments, keywords)


def _renamed(function: ast.expr, name: str) -> ast.expr:
    if isinstance(function, ast.Attribute):
        return ast.Attribute(function.value, name, ast.Load())
    return ast.Name(name, ast.Load())


# Tests --------------------------------------------------------------------------------


def cover(tests: Sequence[str]) -> int:
    """Run tests once for the lines that each reaches and the time that it takes."""
    WORK.mkdir(parents=True, exist_ok=True)
    words = [
        "--cov-append",
        "--cov-context=test",
        "--cov-report=",
        "--cov-fail-under=0",
    ]
    command = [sys.executable, "-m", "pytest", *tests, "-q", "--cov", *words]
    environment = {"COVERAGE_FILE": str(WORK / "coverage"), "OMP_NUM_THREADS": "1"}
    plugin = ["-p", "experiments.mutants"]
    return subprocess.run(
        [*command, *plugin], env=os.environ | environment, check=False
    ).returncode


def pytest_runtest_logreport(report: Any) -> None:
    """Keep the time of a test; pytest calls this in `cover`."""
    if report.when == "call":
        with (WORK / "times.jsonl").open("a") as file:
            file.write(json.dumps([report.nodeid, report.duration]) + "\n")


class Reach:
    """Which tests reach which line of a module."""

    def __init__(self, path: Path) -> None:
        from coverage import CoverageData

        data = CoverageData(str(WORK / "coverage"))
        data.read()
        self.by_line = data.contexts_by_lineno(str(path))
        lines = (WORK / "times.jsonl").read_text().splitlines()
        self.seconds: dict[str, float] = dict(map(json.loads, lines))
        self.near = f"tests/{path.parent.relative_to(ROOT)}/"

    def tests(self, lines: range) -> list[str]:
        """Tests of some lines, or of the whole module where they are read on import.

        The quick ones first; then those of the mirrored folder, since what a forked
        process reaches is not kept.
        """
        found = self._of(lines) or self._of(self.by_line)
        near = {test for test in self.seconds if test.startswith(self.near)} - found
        chosen, left = [], ENOUGH
        for test in (*self._in_order(found), *self._in_order(near)):
            left -= self.seconds[test]
            if left > 0:
                chosen.append(test)
        return chosen

    def _in_order(self, tests: Iterable[str]) -> list[str]:
        return sorted(tests, key=self.seconds.__getitem__)

    def _of(self, lines: Iterable[int]) -> set[str]:
        contexts = (c for line in lines for c in self.by_line.get(line, ()))
        return {c.rsplit("|", 1)[0] for c in contexts} & self.seconds.keys()


@cache
def reach_of(path: Path) -> Reach:
    """The same, read once."""
    return Reach(path)


def warm() -> None:
    """Import what the tests need and we did not write, once for all mutants."""
    for name in THEIRS:
        importlib.import_module(name)
    for name in [n for n in sys.modules if n.split(".")[0] in PACKAGES]:
        del sys.modules[name]


def outcome(path: Path, source: str, tests: Sequence[str]) -> dict[str, Any]:
    """Whether tests notice a source in the place of a file: in a process of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        answer, started = Path(folder, "answer"), time.monotonic()
        child = os.fork()
        if not child:
            _run_tests(path, source, tests, Path(folder), answer)
        try:
            ended = _ends(child, started + PATIENCE)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)  # and what it has left behind
        shutil.copy(Path(folder, "log"), WORK / "last.log")
        if not ended:
            os.waitpid(child, 0)
            return {"outcome": "killed", "by": "time"}
        if not answer.exists():
            return {"outcome": "killed", "by": "a crash"}
        found: dict[str, Any] = json.loads(answer.read_text())
        return found


def _ends(child: int, deadline: float) -> bool:
    while time.monotonic() < deadline:
        if os.waitpid(child, os.WNOHANG)[0]:
            return True
        time.sleep(0.05)
    return False


def _run_tests(
    path: Path, source: str, tests: Sequence[str], folder: Path, answer: Path
) -> NoReturn:
    """Never returns: the forked process ends here."""
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        used = int(time.process_time()) + WORTH
        resource.setrlimit(resource.RLIMIT_CPU, (used, used))
        log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT)
        for number in (1, 2):
            os.dup2(log, number)
        os.environ |= {"HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "examples")}
        _serve(path, source)
        import pytest

        witness = _Witness()
        # pytest would read the file itself to rewrite assertions in it
        options = ["-x", "-q", "--assert=plain", "-p", "no:cacheprovider"]
        options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
        options += ["--hypothesis-seed=0", f"--basetemp={folder / 'tests'}"]
        code = int(pytest.main([*tests, str(path), *options], [witness]))
        if witness.failed:
            result = {"outcome": "killed", "by": witness.failed}
        else:
            result = {"outcome": "lived" if code == 0 else f"error {code}", "by": ""}
        answer.write_text(json.dumps(result))
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os._exit(0)


class _Witness:
    """The first test that fails."""

    failed = ""

    def pytest_runtest_logreport(self, report: Any) -> None:
        self._see(report)

    def pytest_collectreport(self, report: Any) -> None:
        self._see(report)

    def _see(self, report: Any) -> None:
        if report.failed:
            self.failed = self.failed or report.nodeid


def _serve(path: Path, source: str) -> None:
    """Have this process import a source in the place of a file and its bytecode."""
    get_data, path_stats = SourceFileLoader.get_data, SourceFileLoader.path_stats

    def data(self: SourceFileLoader, name: str) -> bytes:
        return source.encode() if name == str(path) else get_data(self, name)

    def stats(self: SourceFileLoader, name: str) -> Mapping[str, Any]:
        if name == str(path):
            raise OSError("no bytecode of this file is to be read or written")
        return path_stats(self, name)

    SourceFileLoader.get_data = data  # type: ignore[assignment, method-assign]
    SourceFileLoader.path_stats = stats  # type: ignore[assignment, method-assign]


# Samples ------------------------------------------------------------------------------


def modules() -> list[Path]:
    """Modules of `SCOPE` with anything to change."""
    found = (
        p
        for room, names in SCOPE.items()
        for n in names
        for p in sorted((ROOT / room).glob(f"{n}.py"))
    )
    return [p for p in found if sites(p.read_text())]


def sample(path: Path, each: int, seed: int) -> list[int]:
    """Numbers of some mutants of a module; a larger sample holds a smaller one."""
    found = sites(path.read_text())
    numbers = list(range(len(found)))
    random.Random(f"{seed} {path.stem}").shuffle(numbers)
    return [n for n in numbers if not _is_idle(found[n])][:each]


def _is_idle(site: Site) -> bool:
    """Whether nothing changes: max(b, a) is max(a, b), and all runs on one device."""
    commutes = {f"{name}(" for pair in PAIRS for name in pair}
    text = ast.unparse(site.old)
    swaps = site.kind == "swapped" and any(text.startswith(c) for c in commutes)
    return swaps or site.kind in ("dropped device", "dropped stacklevel")


def name_of(site: Site) -> str:
    """The change, as a record names it."""
    old, new = (" ".join(ast.unparse(node).split()) for node in (site.old, site.new))
    return f"{site.scope}, {site.kind}: {old[:70]} -> {new[:70]}"


def run(each: int, seed: int, only: str) -> int:
    """Try the mutants that have no record yet; returns 0."""
    warm()
    for path in modules():
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        source = path.read_text()
        numbers = sample(path, each, seed) if only in module else []
        for number in (n for n in numbers if not _is_known(module, n)):
            site, changed = mutant(source, number)
            tests, started = reach_of(path).tests(site.lines), time.monotonic()
            record: Record = {"module": module, "number": number}
            record |= {"line": site.lines[0], "mutant": name_of(site)}
            record |= outcome(path, changed, tests) | {"tests": len(tests)}
            RECORDS.add(record | {"commit": commit()})
            seconds = f"{time.monotonic() - started:.0f} s"
            print(record["outcome"], seconds, module, record["mutant"], flush=True)
    return 0


def _is_known(module: str, number: int) -> bool:
    return (module, number) in {(r["module"], r["number"]) for r in RECORDS.read()}


def report() -> str:
    """Mutants tried and killed in each module, and those that lived."""
    records = RECORDS.read()
    tried = Counter(record["module"] for record in records)
    killed = Counter(r["module"] for r in records if r["outcome"] == "killed")
    lines = [f"{killed[module]} of {n} {module}" for module, n in tried.items()]
    lived = [r for r in records if r["outcome"] != "killed"]
    for r in lived:
        place = f"{r['module']}:{r['line']} (number {r['number']})"
        lines.append(f"{r['outcome']} {place} {r['mutant']}: {r.get('reason', '')}")
    share = killed.total() / max(1, tried.total())
    return "\n".join([*lines, f"{killed.total()} of {tried.total()}: {share:.1%}"])


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line; returns an exit status."""
    parser = command_parser("experiments.mutants", __doc__)
    parser.add_argument("command", choices=["cover", "run", "report"])
    parser.add_argument("--tests", nargs="*", default=TESTS, help="what to cover")
    parser.add_argument("--each", type=at_least(1), default=4, help="mutants a module")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--only", default="", help="a part of the modules' names")
    options = parser.parse_args(args)
    if options.command == "report":
        print(report())
        return 0
    if options.command == "cover":
        return cover(options.tests)
    work = lambda: run(options.each, options.seed, options.only)  # noqa: E731
    return exit_status(work, "python -m experiments.mutants run")


if __name__ == "__main__":
    require_root()
    os.environ["OMP_NUM_THREADS"] = "1"
    sys.exit(main())
