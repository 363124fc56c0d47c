"""Data modules of a source and a target domain."""
