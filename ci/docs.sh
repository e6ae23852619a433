#!/bin/sh
# Builds the documentation as a site, in build/site, in its own environment; a warning is an error. Arguments go to
# mkdocs:  sh ci/docs.sh --site-dir /tmp/site
# FLAME_VENV names the environment's folder.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
. "$ROOT/ci/env.sh"
use_environment docs -e "$ROOT[docs]"
cd "$ROOT"
export NO_MKDOCS_2_WARNING=1 # an announcement of the theme, with every build
mkdocs build --strict --quiet "$@"
echo "The site: $ROOT/build/site/index.html"
