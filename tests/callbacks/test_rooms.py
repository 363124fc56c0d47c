"""Which rooms of callbacks import which: topics never each other, and no circle."""

import ast
from pathlib import Path

COMMON = {"core", "plotting", "predictions", "runs", "critics"}


def imports(repository: Path) -> dict[str, set[str]]:
    """Rooms of callbacks that each room imports."""
    rooms: dict[str, set[str]] = {}
    for path in (repository / "callbacks").glob("*/*.py"):
        own = rooms.setdefault(path.parent.name, set())
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                package, _, rest = node.module.partition(".")
                own |= {rest.split(".")[0]} if package == "callbacks" else set()
        own -= {path.parent.name}
    return rooms


def test_topics_import_only_common_rooms(repository: Path) -> None:
    for room, imported in imports(repository).items():
        assert imported <= COMMON, room


def test_no_circle_of_rooms(repository: Path) -> None:
    rooms = imports(repository)
    while rooms:
        free = {room for room, imported in rooms.items() if not imported & set(rooms)}
        assert free, f"a circle among {sorted(rooms)}"
        rooms = {room: imported for room, imported in rooms.items() if room not in free}
