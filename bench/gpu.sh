#!/bin/sh
# Correctness and speed on a GPU. Takes a folder that bench/gpu_prepare.py made, a driver, python3 (its standard library is
# enough) and, where it is there, compute-sanitizer of the CUDA toolkit. About ten minutes; prints what it finds and writes
# it as JSON.
#
#   bench/gpu.sh [FOLDER] [RESULT.json]      FOLDER: by default the one that this script lies in
folder=${1:-$(dirname "$0")}
command -v python3 >/dev/null || { echo "bench/gpu.sh: needs python3, which is not in PATH" >&2; exit 3; }
[ -e "$folder/plan.json.gz" ] || { echo "bench/gpu.sh: $folder has no plan.json.gz; make the folder with bench/gpu_prepare.py" >&2; exit 1; }
exec python3 "$(dirname "$0")/gpu_run.py" "$folder" "${2:-$folder/gpu.json}"
