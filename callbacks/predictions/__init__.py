"""Bases of prediction writers: rows of all processes, tables, directories."""
