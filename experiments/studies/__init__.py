"""The experiments of docs/theory.md: each file is one study, run with ``python -m experiments.studies``."""
