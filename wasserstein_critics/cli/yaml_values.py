"""YAML as the command line reads and writes it: text stays as it is written.

YAML 1.1 reads ``0010`` as 8, ``12:30`` as 750, ``1_000`` as 1000, ``no`` as false, and
keeps the last of two equal keys. Here ``true``, ``false``, ``null``, decimal integers
and floats are values, and all else is text. What is meant for an option of type int,
float or bool is converted by that.
"""

import re
from enum import Enum
from typing import Any

import yaml
from jsonargparse import get_loader, set_dumper, set_loader

from lightning_modules.core.yaml_size import RefusedYAMLError, check_size

_TAG = "tag:yaml.org,2002:"
_FLOAT = (
    r"[-+]?([0-9]+\.[0-9]*([eE][-+]?[0-9]+)?|\.[0-9]+([eE][-+]?[0-9]+)?"
    r"|[0-9]+[eE][-+]?[0-9]+)|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_VALUES = {
    "null": (r"~|null|Null|NULL|", [*"~nN", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
    "int": (r"0|-?[1-9][0-9]*", [*"-0123456789"]),
    "float": (_FLOAT, [*"-+.0123456789"]),
    "merge": (r"<<", ["<"]),
}
_RESOLVERS = {
    _TAG + name: (re.compile(f"^(?:{pattern})$"), first)
    for name, (pattern, first) in _VALUES.items()
}
_LINE_BREAKS = {"\x85", "\u2028", "\u2029"}
_read_yaml_1_1 = get_loader("yaml")


class _Loader(yaml.CSafeLoader):
    """Refuses a key that stands twice in one place, and what is endless."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  those below alone

    def construct_mapping(self, node: yaml.Node, deep: bool = False) -> dict[Any, Any]:
        """The keys and values of a mapping."""
        assert isinstance(node, yaml.MappingNode)
        keys: set[str] = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in keys:
                problem = f"'{name}' stands there twice; keep one"
                raise RefusedYAMLError(problem, key.start_mark)
            keys.add(name)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Puts text in quotes that YAML 1.1 or this loader would take for another value."""


def _represent(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    """Text, its line breaks of Unicode as escapes, or they would become blanks."""
    style = '"' if _LINE_BREAKS.intersection(value) else None
    return dumper.represent_scalar(_TAG + "str", value, style)


for _tag, _resolver in _RESOLVERS.items():
    _Loader.add_implicit_resolver(_tag, *_resolver)
_Dumper.add_implicit_resolver(_TAG + "float", *_RESOLVERS[_TAG + "float"])
_Dumper.add_representer(str, _represent)
_Dumper.add_multi_representer(Enum, lambda dumper, one: dumper.represent_str(one.name))


def load_yaml(text: str) -> Any:
    """The values in a YAML text.

    Raises:
        yaml.YAMLError: It is not YAML.
        RefusedYAMLError: A mapping has a key twice, or there is no end to it.

    >>> load_yaml("{ids: [0010, 12:30, no, 7], lr: 1e-4}")
    {'ids': ['0010', '12:30', 'no', 7], 'lr': 0.0001}
    """
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if isinstance(root, yaml.CollectionNode):
            check_size(root)
            return loader.construct_document(root)
    finally:
        loader.dispose()
    return _read_yaml_1_1(text)  # what single words mean is the parser's own affair


def dump_yaml(data: Any) -> str:
    """Values as YAML that is read back as it was."""
    return yaml.dump(
        data,
        Dumper=_Dumper,
        default_flow_style=False,
        allow_unicode=True,
        sort_keys=False,
    )


set_loader("yaml", load_yaml, (yaml.YAMLError,))
set_dumper("yaml", dump_yaml)
