"""``python -m pytest_flame.cli``, if the ``flame`` script is not on the path."""

import sys

from pytest_flame.cli.command import main

sys.exit(main())
