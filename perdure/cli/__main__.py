"""`python -m perdure.cli` is `perdure`, also from a checkout that is installed nowhere."""

import sys

from perdure.cli import main

if __name__ == "__main__":
    sys.exit(main())
