"""Base of all methods: optimisation, evaluation, checkpoints, files."""
