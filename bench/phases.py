#!/usr/bin/env python3
"""Which phases take longer, or less, than the machine model says.

    bench/phases.py EXE [--depths 0,1024] [--prompt 512] [--over 1] [--within 2] [-- FLAGS ..]

Runs `EXE bench --phases` for decode steps at each depth and for the steps of a prompt, and lists the phases above --over
percent of the time whose measured and predicted times differ by more than a factor of --within. Exit status 1 if there are
any. FLAGS go to `EXE bench`.
"""
import argparse
import json
import statistics
import sys

from machine import parse_with_flags, run


def report(args, *flags):
    """One result whose times are the medians of --rounds: a stall in one of them makes no outlier."""
    rounds = [json.loads(run([args.exe, "bench", "--phases", "-o", "json", *flags, *args.flags]))
              for _ in range(args.rounds)]
    result = rounds[0]
    for part in ("phases", "kinds"):
        for i, row in enumerate(result[part]):
            for field in ("mean_us", "predicted_us", "ratio"):
                row[field] = statistics.median(r[part][i][field] for r in rounds)
    return result


def off(args, what, result):
    """Prints a line for the step and one for each phase that is off; how many are."""
    *phases, step = result["phases"]
    if not step["predicted_us"]:
        sys.exit(f"{args.exe}: no prediction: the weights are too small to measure the streaming rate with")
    counted = [p for p in phases if p["mean_us"] > step["mean_us"] * args.over / 100]
    wrong = [p for p in counted if not 1 / args.within <= p["ratio"] <= args.within]
    print(f"{what}: {step['mean_us']:.0f} us, predicted {step['predicted_us']:.0f}, ratio {step['ratio']:.2f}; "
          f"{len(counted)} phases above {args.over:g} %, {len(wrong)} off by more than {args.within:g}x")
    for phase in wrong:
        print(f"  {phase['name']}: {phase['mean_us']:.1f} us, predicted {phase['predicted_us']:.1f}, "
              f"ratio {phase['ratio']:.2f}")
    return len(wrong)


def kinds(args, result):
    """The ratio of each kind of phase, for a look at the model itself."""
    *rows, step = result["kinds"]
    for row in sorted(rows, key=lambda r: -r["mean_us"]):
        if row["mean_us"] > step["mean_us"] * args.over / 100:
            print(f"  {row['name']:24s} x {row['count']:3d} {100 * row['mean_us'] / step['mean_us']:5.1f} %  "
                  f"ratio {row['ratio']:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exe")
    parser.add_argument("--depths", default="0,1024")
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--over", type=float, default=1, help="percent of the step's time")
    parser.add_argument("--within", type=float, default=2)
    parser.add_argument("--kinds", action="store_true", help="the ratio of each kind of phase too")
    args = parse_with_flags(parser)
    total = 0
    runs = [(f"decode at {depth}", ["-n", args.steps, "-d", depth]) for depth in args.depths.split(",")]
    for what, flags in [*runs, (f"prompt of {args.prompt}", ["-n", 0, "-p", args.prompt])]:
        result = report(args, *flags)
        total += off(args, what, result)
        if args.kinds:
            kinds(args, result)
    sys.exit(1 if total else 0)


if __name__ == "__main__":
    main()
