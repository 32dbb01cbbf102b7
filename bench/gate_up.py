#!/usr/bin/env python3
"""How near the largest phase of decoding, gate/up, comes to the machine's streaming read rate, inside the executable.

    bench/gate_up.py --shared ../shared [--gemmac build/bin/gemmac] [--threads 2] [--rounds 7] [--require 0.90]

Makes a checkpoint of E2B's shape (first 10 layers, 3.2 GB on disk), compiles it with --quantize=q4, and then alternates
in one sitting: streaming read with 2 MiB pages, with 4 KiB pages (shared/bench/membw.c), `bench --phases`. The figure of
a round is the bytes of the gate/up phases of layers 0-4 over their time; the result is the median of the rounds over
the median of the reading rate with the pages that the weights have: 2 MiB where 90 % of the mapping is in them.

Everything goes, as JSON, to bench/results/: command, machine, hash of the executable, huge-page share, figures of every
round, n, median, spread. Exit status 1 where the ratio is below --require.
"""
import argparse
import datetime
import json
import os
import re
import statistics
import sys

from machine import build_reader, digest, machine, read_rate, run, summary, write_result

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
LAYERS = range(5)  # 2 x 6144 x 1536 each; later layers of E2B are double-wide
HUGE_SHARE = 0.9


def make_executable(args, folder):
    """(executable, command that made it). Both the model and the executable are kept for the next sitting."""
    model, exe = os.path.join(folder, "e2b-10"), os.path.join(folder, "e2b-10-q4")
    if not os.path.exists(os.path.join(model, "model.safetensors.index.json")):
        script = os.path.join(args.shared, "bench", "make_synthetic_hf.py")
        run([sys.executable, script, "--shape", "e2b", "--layers", "10", model], quiet=False)
    command = [args.gemmac, model, "-o", exe, "--quantize=q4", *args.flags.split()]
    run(command, quiet=False)
    return exe, command


def gate_up(report):
    """(GB/s, names) of the gate/up phases of the first layers in one `bench --phases -o json`."""
    chosen = [p for p in report["phases"]
              if (m := re.fullmatch(r"layers\.(\d+)\.(.*)", p["name"])) and int(m.group(1)) in LAYERS and m.group(2) == "mlp"
              and "ple" not in m.group(2)]
    if len(chosen) != len(LAYERS):
        sys.exit(f"expected {len(LAYERS)} gate/up phases, found {[p['name'] for p in chosen]} among "
                 f"{[p['name'] for p in report['phases']][:40]}")
    return sum(p["bytes"] for p in chosen) / sum(p["mean_us"] for p in chosen) / 1e3, [p["name"] for p in chosen]


def measure(args, exe, reader):
    mib = min(2048, os.path.getsize(exe) >> 20)
    phases = [exe, "bench", "--phases", "-n", args.steps, "-t", args.threads, "-o", "json"]
    rounds = {"read_2MiB": [], "read_4KiB": [], "gate_up": []}
    shares, names = [], []
    run(phases)  # brings the file into memory; not counted
    for number in range(args.rounds):
        rounds["read_2MiB"].append(read_rate(reader, args.threads, mib, True))
        report = json.loads(run(phases))
        rate, names = gate_up(report)
        rounds["gate_up"].append(rate)
        shares.append(report["huge_page_share"])
        rounds["read_4KiB"].append(read_rate(reader, args.threads, mib, False))
        print(f"round {number + 1}: " + ", ".join(f"{k} {v[-1]:.2f} GB/s" for k, v in rounds.items())
              + f", weights in 2 MiB pages {100 * shares[-1]:.0f} %", flush=True)
    return {k: summary(v) for k, v in rounds.items()}, shares, names, phases


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", default=os.path.join(ROOT, "..", "shared"), help="folder with bench/membw.c")
    parser.add_argument("--gemmac", default=os.path.join(ROOT, "build", "bin", "gemmac"))
    parser.add_argument("--flags", default="", help="further flags for the compilation, for example --march=x86-64-v3")
    parser.add_argument("--work", default=os.path.join(ROOT, "build", "bench"), help="folder for model and executable")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=32, help="decode steps of a round")
    parser.add_argument("--require", type=float, default=0.0, help="fail below this ratio")
    args = parser.parse_args()
    os.makedirs(args.work, exist_ok=True)
    exe, compiled = make_executable(args, args.work)
    reader = build_reader(args.shared, args.work)
    figures, shares, names, phases = measure(args, exe, reader)
    # First tokens of processes of their own: the file is in the page cache, nothing else is warm.
    first = [json.loads(run([exe, "bench", "-p", "16", "-n", "4", "-r", "1", "-t", args.threads, "-o", "json"]))[0]
             for _ in range(3)]
    huge = statistics.median(shares) >= HUGE_SHARE
    limit = figures["read_2MiB" if huge else "read_4KiB"]["median"]
    result = {
        "what": "gate/up phases of layers 0-4 against streaming read, GB/s (1e9 bytes)",
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": machine(), "threads": args.threads, "ratio": figures["gate_up"]["median"] / limit,
        "against": "2 MiB pages" if huge else "4 KiB pages", "huge_page_share": shares, "figures_GBps": figures,
        "phases": names, "time_to_first_token_ms": summary([f["time_to_first_token_ms"] for f in first]),
        "anonymous_bytes": [f["anonymous_bytes"] for f in first], "peak_rss_bytes": [f["peak_rss_bytes"] for f in first],
        "executable_sha256": digest(exe),
        "commands": {"compile": " ".join(["gemmac", "MODEL", "-o", "OUT", *map(str, compiled[4:])]),
                     "phases": " ".join(map(str, [os.path.basename(exe), *phases[1:]]))},
    }
    path = write_result("gate_up", result)
    print(f"gate/up {figures['gate_up']['median']:.2f} GB/s, streaming read with {result['against']} {limit:.2f} GB/s: "
          f"ratio {result['ratio']:.3f} (n = {args.rounds}); first token {result['time_to_first_token_ms']['median']:.0f} ms, "
          f"anonymous {result['anonymous_bytes'][0] / 2**20:.0f} MiB; {os.path.relpath(path)}")
    sys.exit(1 if result["ratio"] < args.require else 0)


main()
