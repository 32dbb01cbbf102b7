#!/usr/bin/env python3
"""Speed beside llama.cpp on the same GGUF file, interleaved.

    bench/peer.py --peer DIR --model MODEL.gguf [--tests pp512,pp2048,tg64,tg64@4096] [--rounds 5] [--blocks]
                  [--shared ../shared]

DIR is what shared/bench/build_peer.sh made. Compiles the model without a flag, and then alternates for each test:
llama-bench (flash attention on), `EXE bench`. A round takes the median of --repetitions of each; the result is the
median of the rounds and the ratio of the medians. What share of the machine's streaming read rate an answer reaches is
what the executable says: rate, weights and KV cache of one process. Beside it stands what shared/bench/membw.c reads
from 2 MiB pages at that time, as a check.

Everything goes, as JSON, to bench/results/: machine, commands, hash of the executable, huge-page share, figures of all
rounds. Exit status 1 where a ratio is below --require (for example --require pp512=12,tg64=1.15).
"""
import argparse
import datetime
import json
import os
import statistics
import sys

from machine import build_reader, digest, machine, parse_test, read_rate, run, summary, write_result

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)


def test_of(name):
    test = parse_test(name)
    if not test:
        sys.exit(f"--tests: found {name!r}, expected names like pp512, tg64 or tg64@4096")
    return test


def peer_rates(args, tests):
    """Of tests at one depth, by a single process: the file is read and repacked once."""
    prompts = [prompt for prompt, _, _ in tests if prompt]
    answers = [answer for _, answer, _ in tests if answer]
    report = json.loads(run([os.path.join(args.peer, "build", "bin", "llama-bench"), "-m", args.model, "-ngl", 0, "-t",
                             args.threads, "-fa", 1, "-p", ",".join(map(str, prompts or [0])), "-n",
                             ",".join(map(str, answers or [0])), "-d", tests[0][2], "-r", args.repetitions, "-o",
                             "json"]))
    rates = {(line["n_prompt"], line["n_gen"], line["n_depth"]): statistics.median(line["samples_ts"])
             for line in report}
    return [rates[test] for test in tests]


def our_report(args, exe, test):
    prompt, answer, depth = test
    return json.loads(run([exe, "bench", "-p", prompt, "-n", answer, "-d", depth, "-r", args.repetitions, "-t",
                           args.threads, "-o", "json"]))[0]


class Samples:
    """What the rounds of one test gave."""

    def __init__(self, test):
        self.test, self.shares, self.streaming = test, [], []
        self.rounds = {"peer": [], "gemmac": [], "read_2MiB_GBps": []}

    def add_peer(self, args):
        self.rounds["peer"] += peer_rates(args, [self.test])

    def add_ours(self, args, exe):
        report = our_report(args, exe, self.test)
        self.rounds["gemmac"].append(statistics.median(report["samples_ts"]))
        self.shares.append(report["huge_page_share"])
        if self.test[1] and report["streaming_share"]:
            self.streaming.append(report["streaming_share"])

    def result(self, name):
        result = {key: summary(values) for key, values in self.rounds.items() if values}
        result["ratio"] = result["gemmac"]["median"] / result["peer"]["median"]
        result["huge_page_share"] = self.shares
        line = (f"{name}: {result['gemmac']['median']:.1f} tokens/s against {result['peer']['median']:.1f}, "
                f"ratio {result['ratio']:.2f} (n = {len(self.rounds['gemmac'])})")
        if self.streaming:
            share = result["streaming_share"] = summary(self.streaming)
            line += (f", {100 * share['median']:.0f} % of streaming read ({100 * share['min']:.0f} to "
                     f"{100 * share['max']:.0f})")
        print(line, flush=True)
        return result


def measure(args, exe, reader):
    """Round by round, one engine after the other."""
    mib = min(2048, os.path.getsize(exe) >> 20)
    tests = {}
    for name in args.tests.split(","):
        samples = Samples(test_of(name))
        our_report(args, exe, samples.test)  # both files into memory; not counted
        peer_rates(args, [samples.test])
        for _ in range(args.rounds):
            samples.rounds["read_2MiB_GBps"].append(read_rate(reader, args.threads, mib, True))
            samples.add_peer(args)
            samples.add_ours(args, exe)
        tests[name] = samples.result(name)
    return tests


def measure_in_blocks(args, exe):
    """For files that do not fit the memory together: all tests of one engine, and then those of the other, each behind
    what brings its file in (for the peer: its start)."""
    tests = {name: Samples(test_of(name)) for name in args.tests.split(",")}
    depths = {}
    for samples in tests.values():
        depths.setdefault(samples.test[2], []).append(samples)
    for _ in range(args.rounds):
        for group in depths.values():
            for samples, rate in zip(group, peer_rates(args, [samples.test for samples in group])):
                samples.rounds["peer"].append(rate)
        our_report(args, exe, next(iter(tests.values())).test)
        for samples in tests.values():
            samples.add_ours(args, exe)
        print(json.dumps({name: samples.rounds for name, samples in tests.items()}), flush=True)
    return {name: samples.result(name) for name, samples in tests.items()}


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
    parser.add_argument("--blocks", action="store_true",
                        help="a round of one engine, then one of the other: for files that memory holds one at a time")
    parser.add_argument("--require", default="", help="TEST=RATIO, separated by commas")
    args = parser.parse_args()
    os.makedirs(args.work, exist_ok=True)
    exe = os.path.join(args.work, os.path.splitext(os.path.basename(args.model))[0])
    run([args.gemmac, args.model, "-o", exe, *args.flags.split()], quiet=False)
    tests = measure_in_blocks(args, exe) if args.blocks else measure(args, exe, build_reader(args.shared, args.work))
    march = args.flags.partition("--march=")[2].split(" ")[0]
    write_result("-".join(filter(None, ["peer", os.path.basename(exe), march])), {
        "what": f"tokens/s beside llama.cpp, {os.path.basename(args.model)}",
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "machine": machine(),
        "threads": args.threads, "repetitions": args.repetitions, "blocks": args.blocks, "flags": args.flags,
        "tests": tests,
        "executable_sha256": digest(exe)})
    missed = [wanted for wanted in filter(None, args.require.split(","))
              if tests[wanted.split("=")[0]]["ratio"] < float(wanted.split("=")[1])]
    if missed:
        sys.exit(f"below the required ratio: {', '.join(missed)}")


main()
