"""Lines that forked processes run, counted by slipcover in the workers of xdist."""

import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn


def count_forked_lines() -> None:
    """Let what this process forks write the lines that it ran, when it ends.

    slipcover does so by itself where pytest runs in one process.
    """
    plugin: Any = sys.modules.get("slipcover.pytest_plugin")
    folder = os.environ.get("SLIPCOVER_COVERAGE_DIR")
    if plugin and folder and plugin._slipcover_instance:
        os.register_at_fork(
            after_in_child=_Lines(plugin._slipcover_instance, folder).begin
        )


class _Lines:
    def __init__(self, slipcover: Any, folder: str) -> None:
        self.slipcover, self.folder, self.exit = slipcover, folder, os._exit

    def begin(self) -> None:
        """Count anew, in the forked process."""
        self.slipcover.signal_child_process()
        os._exit = self.leave

    def leave(self, status: int) -> NoReturn:
        """Write what there is, and then give it a name that slipcover looks for.

        Some of these processes are killed while they write.
        """
        with contextlib.suppress(Exception):
            lines = self.slipcover.get_coverage()
            if any(file["executed_lines"] for file in lines["files"].values()):
                _, part = tempfile.mkstemp(dir=self.folder)
                path = Path(part)
                path.write_text(json.dumps(lines), "utf-8")
                path.rename(path.with_name(f"coverage-gw-{path.name}.json"))
        self.exit(status)
