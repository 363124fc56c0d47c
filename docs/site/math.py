"""Hook of MkDocs: formulas become MathML, and links out of docs/ become pages.

MathML is drawn by browsers themselves, so that the site needs no script from a network.
"""

import re
from html import unescape
from typing import Any

from latex2mathml.converter import convert

ROOT_PAGES = "CONTRIBUTING|SECURITY|CHANGELOG"
_FORMULA = re.compile(
    r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</(?:span|div)>', re.DOTALL
)
_TAG = re.compile(r"\\tag\{(\w+)\}")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links to files of the repository: pages where they are some, else their names."""
    up = "../" * (page.file.src_uri.count("/") + 1)
    markdown = re.sub(rf"\]\({re.escape(up)}({ROOT_PAGES})\.md", r"](\1.md", markdown)
    markdown = markdown.replace("](decisions)", "](decisions/index.md)")
    return re.sub(rf"\[([^\]]+)\]\({re.escape(up)}[\w./-]+\)", r"\1", markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Formulas as MathML; the equation's number stands at the right."""
    return _FORMULA.sub(_mathml, html)


def _mathml(found: re.Match[str]) -> str:
    display = "block" if found[2] == "[" else "inline"
    latex = unescape(found[3]).strip()
    number = _TAG.search(latex)
    latex = re.sub(r"\\mathbb (\w)", r"\\mathbb{\1}", latex)
    math = convert(_TAG.sub("", latex), display=display)
    if number is None:
        return math
    style = "display:flex;align-items:center;justify-content:space-between"
    return f'<div style="{style}"><span></span>{math}<span>({number[1]})</span></div>'
