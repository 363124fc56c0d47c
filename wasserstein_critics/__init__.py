"""The command line and the shipped configs."""
