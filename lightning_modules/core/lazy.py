"""Names of a package that are imported on first use (PEP 562)."""

import ast
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from sys import modules
from types import ModuleType
from typing import Any

from lightning_modules.core.public_names import PACKAGES


def lazy_names(package: str, file: str) -> Callable[[str], Any]:
    """A package's ``__getattr__`` that imports a name when it is first asked for.

    What a name's module needs, such as polars or matplotlib, is loaded with it and not
    with the package. Which module that is, the package tells type checkers and this
    function in the same lines:

        if TYPE_CHECKING:
            from datamodules.generative.digits import Digits
        __getattr__ = lazy_names(__name__, __file__)

    Args:
        package: Name of the package.
        file: Its ``__init__.py``.

    Returns:
        The function; it raises AttributeError for a name that the package lacks.
    """
    homes = {
        (alias.asname or alias.name): node.module
        for node in ast.walk(ast.parse(Path(file).read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        value = getattr(import_module(homes[name]), name)
        setattr(modules[package], name, value)
        return value

    return get


def load_names(package: ModuleType) -> dict[str, str]:
    """Import all names of a package, as the command line needs them to find classes.

    Args:
        package: A package with ``__all__``.

    Returns:
        Names that can't be imported here, with the third-party package that is missing.

    Raises:
        ModuleNotFoundError: If a module of this library is missing.
    """
    unavailable = {}
    for name in package.__all__:
        try:
            getattr(package, name)
        except ModuleNotFoundError as error:
            missing = str(error.name).split(".")[0]
            if missing in PACKAGES:
                raise
            unavailable[name] = missing
    return unavailable
