#!/usr/bin/env python3
"""Speed beside llama.cpp on the same GGUF file, interleaved.

    bench/peer.py --peer DIR --model MODEL.gguf [--tests pp512,pp2048,tg64,tg64@4096] [--rounds 5] [--shared ../shared]

DIR is what shared/bench/build_peer.sh made. Compiles the model without a flag, and then alternates for each test:
streaming read with 2 MiB pages (shared/bench/membw.c), llama-bench (flash attention on), `EXE bench`. A round takes the
median of --repetitions of each; the result is the median of the rounds and the ratio of the medians.

Everything goes, as JSON, to bench/results/: machine, commands, hash of the executable, huge-page share, figures of all
rounds. Exit status 1 where a ratio is below --require (for example --require pp512=12,tg64=1.15).
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


def parse_test(text):
    """(prompt, answer, depth) of pp512, tg64 or tg64@4096."""
    found = re.fullmatch(r"(pp|tg)(\d+)(?:@(\d+))?", text)
    if not found:
        sys.exit(f"--tests: found {text!r}, expected names like pp512, tg64 or tg64@4096")
    kind, count, depth = found.groups()
    return (int(count) if kind == "pp" else 0, int(count) if kind == "tg" else 0, int(depth or 0))


def peer_rate(args, test):
    prompt, answer, depth = test
    text = run([os.path.join(args.peer, "build", "bin", "llama-bench"), "-m", args.model, "-ngl", 0, "-t", args.threads,
                "-fa", 1, "-p", prompt, "-n", answer, "-d", depth, "-r", args.repetitions, "-o", "json"])
    report = json.loads(text)
    return statistics.median(report[0]["samples_ts"])


def our_report(args, exe, test):
    prompt, answer, depth = test
    return json.loads(run([exe, "bench", "-p", prompt, "-n", answer, "-d", depth, "-r", args.repetitions, "-t",
                           args.threads, "-o", "json"]))[0]


def measure(args, exe, reader):
    mib = min(2048, os.path.getsize(exe) >> 20)
    tests = {}
    for name in args.tests.split(","):
        test = parse_test(name)
        our_report(args, exe, test)  # both files into memory; not counted
        peer_rate(args, test)
        rounds = {"peer": [], "gemmac": [], "read_2MiB_GBps": []}
        shares, per_token = [], None
        for _ in range(args.rounds):
            rounds["read_2MiB_GBps"].append(read_rate(reader, args.threads, mib, True))
            rounds["peer"].append(peer_rate(args, test))
            report = our_report(args, exe, test)
            rounds["gemmac"].append(statistics.median(report["samples_ts"]))
            shares.append(report["huge_page_share"])
            per_token = report.get("bytes_per_token", per_token)
        result = {key: summary(values) for key, values in rounds.items()}
        result["ratio"] = result["gemmac"]["median"] / result["peer"]["median"]
        result["huge_page_share"] = shares
        line = (f"{name}: {result['gemmac']['median']:.1f} tokens/s against {result['peer']['median']:.1f}, "
                f"ratio {result['ratio']:.2f} (n = {args.rounds})")
        if test[1] and per_token:
            result["share_of_streaming"] = (result["gemmac"]["median"] * per_token / 1e9
                                            / result["read_2MiB_GBps"]["median"])
            line += f", {100 * result['share_of_streaming']:.0f} % of streaming read"
        print(line, flush=True)
        tests[name] = result
    return tests


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", required=True, help="folder that build_peer.sh filled")
    parser.add_argument("--model", required=True, help="the GGUF file that both run")
    parser.add_argument("--shared", default=os.path.join(ROOT, "..", "shared"), help="folder with bench/membw.c")
    parser.add_argument("--gemmac", default=os.path.join(ROOT, "build", "bin", "gemmac"))
    parser.add_argument("--flags", default="", help="flags for the compilation (default: none)")
    parser.add_argument("--work", default=os.path.join(ROOT, "build", "bench"), help="folder for the executable")
    parser.add_argument("--tests", default="pp512,pp2048,tg64,tg64@4096")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--require", default="", help="TEST=RATIO, separated by commas")
    args = parser.parse_args()
    os.makedirs(args.work, exist_ok=True)
    exe = os.path.join(args.work, os.path.splitext(os.path.basename(args.model))[0])
    run([args.gemmac, args.model, "-o", exe, *args.flags.split()], quiet=False)
    tests = measure(args, exe, build_reader(args.shared, args.work))
    write_result("peer", {
        "what": f"tokens/s beside llama.cpp, {os.path.basename(args.model)}",
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "machine": machine(),
        "threads": args.threads, "repetitions": args.repetitions, "flags": args.flags, "tests": tests,
        "executable_sha256": digest(exe)})
    missed = [wanted for wanted in filter(None, args.require.split(","))
              if tests[wanted.split("=")[0]]["ratio"] < float(wanted.split("=")[1])]
    if missed:
        sys.exit(f"below the required ratio: {', '.join(missed)}")


main()
