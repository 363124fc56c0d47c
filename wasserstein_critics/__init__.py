"""What an installation runs: the command, its subcommands, the shipped configs."""
