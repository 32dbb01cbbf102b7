#!/usr/bin/env bash
# Builds what changed and runs the tests of one tier; the last line is "N passed, N failed".
#
#   tools/test.sh [quick|full|soak] [further ctest arguments]
#
# quick: unit tests, FileCheck tests and one golden. full (default): all goldens, determinism, robustness; the release
# gate. soak: the same robustness tests with large counts, on top of full. GEMMAC_BUILD names another build folder,
# which is then built and tested as it was configured.
set -euo pipefail
cd "$(dirname "$0")/.."

tier=full
case "${1:-}" in
quick | full | soak)
  tier=$1
  shift
  ;;
-h | --help)
  sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"
  exit 0
  ;;
-* | "") ;;
*)
  echo "tools/test.sh: unknown tier '$1', expected quick, full or soak" >&2
  exit 2
  ;;
esac
case $tier in
quick) labels='^quick$' ;;
full) labels='^(quick|full)$' ;;
soak) labels='^(quick|full|soak)$' ;;
esac

build=${GEMMAC_BUILD:-build}
if [ -z "${GEMMAC_BUILD:-}" ]; then
  cmake --preset release
fi
cmake --build "$build"

report=$(realpath "$build")/test-report.xml
rm -f "$report"
status=0
ctest --test-dir "$build" -L "$labels" --no-tests=error --output-on-failure --timeout 1800 -j "$(nproc)" \
  --output-junit "$report" "$@" </dev/null || status=$?

# ctest's own closing line stands above; this one is the last in any case, and agrees with the exit status.
# Tests that ctest could not start count as failed; a test that skipped itself is named with its reason.
summary=$(python3 - "$report" <<'PY'
import sys
import xml.etree.ElementTree as tree

passed = failed = 0
try:
    cases = list(tree.parse(sys.argv[1]).getroot().iter("testcase"))
except (OSError, tree.ParseError):
    cases = []
for case in cases:
    why = case.find("skipped")
    if case.get("status") == "run":
        passed += 1
    elif why is not None and why.get("message", "").startswith("SKIP_"):
        lines = (case.findtext("system-out") or "").strip().splitlines()
        reason = next((line for line in lines if line.startswith("skip")), "no reason given")
        print(f"not run: {case.get('name')}: {reason}", file=sys.stderr)
    else:
        failed += 1
print(passed, failed)
PY
)
read -r passed failed <<<"$summary"
if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
  failed=1
fi
if [ "$passed" -eq 0 ] && [ "$status" -eq 0 ]; then
  echo "no test ran"
  status=1
fi
echo "$passed passed, $failed failed"
exit "$status"
