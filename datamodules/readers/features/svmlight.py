"""Rows of text files in the format svmlight."""

from pathlib import Path

from sklearn.datasets import load_svmlight_file

from datamodules.readers.features.arrays import Found, OtherFormError

TEXT = (".svmlight", ".libsvm", ".svm")


def read_text(path: Path) -> Found:
    """Lines ``label column:value ...``, with columns as they are written."""
    try:
        x, y = load_svmlight_file(str(path), zero_based=True)
    except ValueError as error:
        if odd := _without_label(path):
            raise odd from error
        raise
    return ["features", "labels"], {"features": x, "labels": y}


def _without_label(path: Path) -> OtherFormError | None:
    """What to say of the first line of text that begins with no number, if any does."""
    with path.open(errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            words = line.split("#")[0].split()
            if not words or _is_number(words[0]):
                continue
            plain = line.strip().isprintable() and "\ufffd" not in line
            if not plain or ":" not in line:
                return None  # no text of this format
            return OtherFormError(
                f"has '{words[0]}' in place of a label in line {number}; begin each "
                "line with a whole number, -1 where the class of a target row is "
                "unknown."
            )
    return None


def _is_number(word: str) -> bool:
    """Whether a word of text is a number."""
    try:
        float(word)
    except ValueError:
        return False
    return True
