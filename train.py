"""The command line from a clone: ``python train.py fit --config ...``."""

import sys

from wasserstein_critics.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
