"""The studies of docs/theory.md, one file each: ``python -m experiments.studies``."""
