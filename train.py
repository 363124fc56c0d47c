"""The command line from a clone: ``python train.py fit --config ...``."""

import sys

from wasserstein_critics.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
