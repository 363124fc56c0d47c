"""Extension of Griffe: docstrings as Markdown, with their examples and formulas."""

import re
from typing import Any

import griffe

_MATH = re.compile(
    r"^( *)\.\. math:: (.*(?:\n(?:\1 +\S.*|\s*(?=\n\1 +\S)))*)", re.MULTILINE
)


class Docstrings(griffe.Extension):
    """Formulas of reStructuredText become LaTeX in dollars; doctests get a section."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite an object's docstring."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(text: str) -> str:
    """A docstring whose formulas and examples Markdown can show."""
    text = re.sub(r":math:`([^`]+)`", r"$\1$", text)
    text = _MATH.sub(_display, text)
    before, example, after = text.partition("\n>>> ")
    if not example or "\nExamples:" in before:
        return text
    lines = f">>> {after}".splitlines()
    return "\n".join([before, "", "Examples:", *(f"    {line}" for line in lines)])


def _display(found: re.Match[str]) -> str:
    latex = " ".join(found[2].split())
    return f"{found[1]}$$\n{found[1]}{latex}\n{found[1]}$$\n"
