"""The command line: ``python -m wasserstein_critics fit --config ...``."""

import sys

from wasserstein_critics.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
