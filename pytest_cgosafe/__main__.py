"""``python -m pytest_cgosafe``: the command."""

import sys

from pytest_cgosafe.cli import main

sys.exit(main())
