#!/usr/bin/env python3
"""How near the large products of a prompt come to the machine's matrix peak.

    bench/gemms.py EXE [--kind amx_bf16|vnni_int8|..] [--prompt 512] [--rounds 5] [--threads 2] [--require SHARE] [-- FLAGS ..]

Alternates shared/bench/peak.c (register-resident operands, all threads) and `EXE bench --phases` of a prompt. The figure is
the operations of those kinds of phases that hold at least 5 % of the prompt's and do 64 or more for each byte they read, over
their time, over the peak of --kind: everything that such a phase does besides (norms, GeGLU, packing) counts against it.

The medians go to standard output and, as JSON, to bench/results/. FLAGS go to `EXE bench`.
"""
import argparse
import datetime
import json
import os
import re
import statistics
import sys

from machine import ROOT, digest, machine, parse_with_flags, run, summary, write_result


def peak(program, kind, threads):
    """Operations per second of all threads."""
    found = re.search(rf"^{kind}_Gops\w*: ([\d.]+)", run([program, threads]), re.M)
    if not found:
        sys.exit(f"--kind: {program} measures no {kind} on this machine")
    return float(found.group(1)) * 1e9


def products(args):
    """{kind: (operations, seconds)} of a prompt's large products."""
    report = json.loads(run([args.exe, "bench", "--phases", "-n", 0, "-p", args.prompt, "-t", args.threads, "-o", "json",
                             *args.flags]))
    *kinds, step = report["kinds"]
    return {row["name"]: (row["flops"], row["mean_us"] / 1e6) for row in kinds
            if row["flops"] >= 0.05 * step["flops"] and row["flops"] >= 64 * row["bytes"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exe")
    parser.add_argument("--kind", default="amx_bf16", help="line of peak.c")
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--shared", default=os.path.join(ROOT, "..", "shared"))
    parser.add_argument("--require", type=float, help="exit 1 where the share is below")
    args = parse_with_flags(parser)
    program = args.exe + ".peak"
    run(["cc", "-O2", "-march=native", "-pthread", os.path.join(args.shared, "bench", "peak.c"), "-o", program])
    peaks, rounds = [], []
    products(args)  # the file into memory; not counted
    for _ in range(args.rounds):
        peaks.append(peak(program, args.kind, args.threads))
        rounds.append(products(args))
    os.remove(program)
    limit = statistics.median(peaks)
    rates = {kind: summary([r[kind][0] / r[kind][1] for r in rounds]) for kind in rounds[0]}
    rates["all of them"] = summary([sum(f for f, _ in r.values()) / sum(s for _, s in r.values()) for r in rounds])
    for kind, rate in rates.items():
        print(f"{kind:24s} {rate['median'] / 1e9:8.0f} GFLOP/s, {rate['median'] / limit:.2f} of {args.kind} "
              f"({rate['min'] / limit:.2f} to {rate['max'] / limit:.2f}, n = {args.rounds})")
    write_result(f"gemms-{os.path.basename(args.exe)}-{args.kind}", {
        "what": f"operations per second of the large products of a prompt of {args.prompt} tokens",
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "machine": machine(),
        "threads": args.threads, "flags": args.flags, "peak_kind": args.kind, "peak": summary(peaks), "rates": rates,
        "share": rates["all of them"]["median"] / limit, "executable_sha256": digest(args.exe)})
    sys.exit(args.require is not None and rates["all of them"]["median"] / limit < args.require)


main()
