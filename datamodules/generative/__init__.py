"""Data modules of a single data set of samples."""
