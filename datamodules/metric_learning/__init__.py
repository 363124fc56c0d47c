"""Data modules of labelled rows."""
