"""The size of what YAML means, known before it is built."""

import yaml

MOST_VALUES = 100_000
DEEPEST = 50


class RefusedYAMLError(yaml.constructor.ConstructorError):
    """It is YAML, but no config: a key twice, or lists without an end."""

    def __init__(self, problem: str, mark: yaml.Mark) -> None:
        super().__init__(None, None, problem, mark)


def check_size(root: yaml.Node) -> None:
    """Refuse a few lines that aliases make into more values than memory holds.

    Args:
        root: The top of the document, as ``yaml.compose`` returns it.

    Raises:
        RefusedYAMLError: If there are more than `MOST_VALUES` values, counting each use
            of an alias, or more than `DEEPEST` within each other.

    >>> check_size(yaml.compose("{a: &x [1, 2], b: [*x, *x]}"))
    """
    sizes: dict[int, int] = {}

    def size(node: yaml.Node, depth: int) -> int:
        name = id(node)
        if depth > DEEPEST or sizes.get(name) == 0:  # it stands within itself
            problem = f"lists or keys stand in each other more than {DEEPEST} deep"
            raise RefusedYAMLError(problem, node.start_mark)
        if name not in sizes:
            sizes[name] = 0
            below = node.value if isinstance(node, yaml.CollectionNode) else ()
            pairs = isinstance(node, yaml.MappingNode)
            parts = [part for pair in below for part in pair] if pairs else below
            sizes[name] = 1 + sum(size(part, depth + 1) for part in parts)
        if sizes[name] > MOST_VALUES:
            problem = f"more than {MOST_VALUES:,} values, counting each use of an alias"
            raise RefusedYAMLError(problem, node.start_mark)
        return sizes[name]

    size(root, 0)


def read_yaml(text: str) -> object:
    """The plain values of a YAML text, whoever wrote it.

    Raises:
        yaml.YAMLError: If it is not YAML, or `check_size` refuses it.

    >>> read_yaml("{a: [1, 2]}")
    {'a': [1, 2]}
    """
    loader = yaml.CSafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        check_size(root)
        return loader.construct_document(root)
    finally:
        loader.dispose()
