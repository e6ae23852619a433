"""``flame schema``: the JSON schema of the result."""

from __future__ import annotations

import json
import sys
from argparse import Namespace

from pytest_flame.render.json import schema


def run(_: Namespace) -> int:
    sys.stdout.write(json.dumps(schema(), indent=2) + "\n")
    return 0
