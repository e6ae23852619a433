"""Requirements are parsed and versions chosen."""

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

LINES = ["requests[socks]>=2.8.1,<3; python_version < '3.9'", "numpy>=1.21", "attrs~=23.1; extra == 'test'"]
VERSIONS = ["1.0", "1.1.dev3", "2.0rc1", "2.0", "2.1.post2", "3.0"]


def work() -> object:
    found = [Requirement(line) for line in LINES]
    wanted = SpecifierSet(">=1.0,!=2.0,<3")
    return found, sorted(Version(v) for v in VERSIONS if wanted.contains(v))
