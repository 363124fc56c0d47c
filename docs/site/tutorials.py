"""Script of MkDocs: executed notebooks become pages, with their outputs.

A plugin would bring Jupyter's own web client, which loads parts of itself from a
network.
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mkdocs_gen_files

FOLDER = Path(__file__).parents[1] / "tutorials"


def parts(cells: list[dict[str, Any]], name: str) -> Iterator[str]:
    """Markdown of each cell; code is followed by what it gave."""
    for number, cell in enumerate(cells):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            yield source
            continue
        yield f"```python\n{source}\n```"
        for output in cell["outputs"]:
            yield from shown(output, f"{name}-{number}.png")


def shown(output: dict[str, Any], image: str) -> Iterator[str]:
    """An output: its figure if it has one, else its text."""
    data = output.get("data", {})
    if "image/png" in data:
        with mkdocs_gen_files.open(f"tutorials/{image}", "wb") as file:
            file.write(base64.b64decode("".join(data["image/png"])))
        yield f"![what the code above draws]({image})"
    elif text := "".join(data.get("text/plain", output.get("text", ""))).strip():
        yield f"```text\n{text}\n```"


for path in sorted(FOLDER.glob("*.ipynb")):
    cells = json.loads(path.read_text("utf-8"))["cells"]
    page = "\n\n".join(parts(cells, path.stem))
    note = f"*Made by running [this notebook]({path.name}).*"
    title, _, rest = page.partition("\n")
    with mkdocs_gen_files.open(f"tutorials/{path.stem}.md", "w") as file:
        file.write(f"{title}\n\n{note}\n{rest}\n")
