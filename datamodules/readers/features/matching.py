"""Consistency of feature files with each other."""

from collections.abc import Mapping
from dataclasses import replace

from datamodules.readers.features.files import FeatureFile
from lightning_modules.data_contracts.sparse_rows import SparseRows


def filled(file: FeatureFile) -> FeatureFile:
    """The file with the zeros of sparse rows.

    Raises:
        ValueError: They don't fit into memory.
    """
    x = file.x
    if not isinstance(x, SparseRows):
        return file
    try:
        return replace(file, x=x.to_dense())
    except RuntimeError as error:  # so torch says that there is no memory
        raise ValueError(
            f"data.dense: {len(x)} rows of {x.width} columns don't fit into memory; "
            f"leave it out, or remove a column of {file.path} that doesn't belong."
        ) from error


def check_alike(files: Mapping[str, FeatureFile], n_features: int | None) -> None:
    """Refuses files that don't belong together.

    Args:
        files: What is in them, by their keys; ``source`` is among them.
        n_features: Width that was asked for.

    Raises:
        ValueError: Widths differ, some rows are sparse and some dense, or the source's
            rows for validation have no labels.
    """
    first = files["source"]
    width = n_features or first.x.shape[1]
    for part, file in files.items():
        if not isinstance(file.x, type(first.x)):
            raise ValueError(
                f"{file.name} and {first.path} are not both sparse or both dense; set "
                "data.dense: true."
            )
        if file.x.shape[1] != width:
            where = "there should be" if n_features else f"{first.path} has"
            mend = ", or correct data.n_features" * bool(
                n_features and file.key == part
            )
            raise ValueError(
                f"{file.name} has {file.x.shape[1]} features in a row where {where} "
                f"{width}; use files of the same features{mend}."
            )
        if part == "source_val" and file.y is None:
            raise ValueError(
                f"{file.name} has no labels, which validation on the source needs; add "
                "them, or set data.n_val in its place."
            )
