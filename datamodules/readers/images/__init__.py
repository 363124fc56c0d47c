"""Readers of image files and archives."""
