"""The command line killed, signalled, filled, damaged and deceived: what held."""
