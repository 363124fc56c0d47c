"""Callbacks of metric learning."""
