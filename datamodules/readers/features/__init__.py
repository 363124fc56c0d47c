"""Readers of feature files."""
