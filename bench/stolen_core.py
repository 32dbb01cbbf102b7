#!/usr/bin/env python3
"""What a core that somebody else half uses costs.

    bench/stolen_core.py EXE [--test tg64|pp512] [--rounds 7] [--busy-ms 5] [--idle-ms 5] [--cpu N] [-- FLAGS ..]

Runs `EXE bench` alternating without and with a process that is bound to one CPU (the last of the affinity mask) and busy
for --busy-ms of every --busy-ms + --idle-ms. FLAGS go to `EXE bench` (-t 1, --pin=on). Prints the median rate of both, their
ratio, and what the ratio would be if nothing but the stolen time were lost: (workers - stolen share) / workers.
"""
import argparse
import json
import os
import signal
import statistics
import sys
import time

from machine import parse_test, parse_with_flags, run


def steal(cpu, busy, idle):
    """A child that takes its share of `cpu` until it is ended, and goes if this process goes."""
    parent = os.getpid()
    child = os.fork()
    if child:
        return child
    os.sched_setaffinity(0, {cpu})
    while os.getppid() == parent:
        end = time.monotonic() + busy
        while time.monotonic() < end:
            pass
        time.sleep(idle)
    os._exit(0)


def rate(args, prompt, answer):
    report = json.loads(run([args.exe, "bench", "-p", prompt, "-n", answer, "-r", args.repetitions, "-o", "json",
                             *args.flags]))[0]
    return statistics.median(report["samples_ts"]), report["n_threads"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exe")
    parser.add_argument("--test", default="tg64")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--busy-ms", type=float, default=5)
    parser.add_argument("--idle-ms", type=float, default=5)
    parser.add_argument("--cpu", type=int, default=max(os.sched_getaffinity(0)))
    args = parse_with_flags(parser)
    test = parse_test(args.test)
    if not test or "@" in args.test:
        sys.exit(f"--test: found {args.test!r}, expected a name like tg64 or pp512")
    prompt, answer, _ = test
    rates, workers = {"free": [], "stolen": []}, 1
    rate(args, prompt, answer)  # the file into memory; not counted
    for _ in range(args.rounds):
        value, workers = rate(args, prompt, answer)
        rates["free"].append(value)
        child = steal(args.cpu, args.busy_ms / 1e3, args.idle_ms / 1e3)
        try:
            rates["stolen"].append(rate(args, prompt, answer)[0])
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    share = args.busy_ms / (args.busy_ms + args.idle_ms)
    for name, values in rates.items():
        print(f"{name:7s} {statistics.median(values):9.1f} tokens/s, median of {len(values)} "
              f"({min(values):.1f}..{max(values):.1f})")
    ratio = statistics.median(rates["stolen"]) / statistics.median(rates["free"])
    print(f"ratio   {ratio:9.2f}; {workers} workers, {share:.0%} of CPU {args.cpu} taken; "
          f"only the time itself: {(workers - share) / workers:.2f}")


if __name__ == "__main__":
    main()
