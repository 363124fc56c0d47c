"""What makes the figures and tables of docs/, run with ``python -m``."""
