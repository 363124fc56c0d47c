"""Callbacks of any run: checkpoints, exact resume, config, progress, export."""
