"""``python -m pytest_flame.cli``, where the ``flame`` script is not in the path."""

import sys

from pytest_flame.cli.command import main

sys.exit(main())
