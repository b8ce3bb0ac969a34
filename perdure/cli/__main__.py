"""The module `python -m perdure.cli`: the same as `perdure`, also from a checkout that is not installed."""

import sys

from perdure.cli import main

if __name__ == "__main__":
    sys.exit(main())
