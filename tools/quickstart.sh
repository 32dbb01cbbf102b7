#!/usr/bin/env bash
# From a bare Debian 12 to a Gemma 4 that writes: installs the packages, builds gemmac, compiles the model that comes
# with the repository and runs it. Further arguments go to the compiled model.
#
#   tools/quickstart.sh                       continues "In the beginning"
#   tools/quickstart.sh -p "And God said" -n 100 --temp 0.7
set -euo pipefail
cd "$(dirname "$0")/.."

tools/install-deps.sh
cmake --preset release
cmake --build --preset release
build/bin/gemmac test/Inputs/psalter -o build/psalter --march=native

if [ $# -eq 0 ]; then
  set -- -p "In the beginning" -n 48
fi
echo "+ build/psalter $*"
build/psalter "$@"
