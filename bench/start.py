#!/usr/bin/env python3
"""How long a process takes from its start to the first token.

    bench/start.py EXE [--tokens 6] [--rounds 9] [--require SECONDS] [-- FLAGS ..]

Runs `EXE run --ids .. -n 1` again and again and takes the time from starting the process to the first byte of its answer
(the pipe's other end), the file being in memory. The median, least and most go to standard output and, as JSON with the
machine and the executable's hash, to bench/results/. FLAGS go to `EXE run`.
"""
import argparse
import datetime
import os
import subprocess
import sys
import time

from machine import digest, machine, parse_with_flags, summary, write_result


def first_byte(command):
    """Seconds until the process has written something."""
    begin = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        byte = process.stdout.read(1)
        seconds = time.perf_counter() - begin
        process.stdout.read()
    if process.returncode or not byte:
        sys.exit(f"{' '.join(command)}: exit {process.returncode}, {len(byte)} bytes")
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exe")
    parser.add_argument("--tokens", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--require", type=float, help="exit 1 where the median is above")
    args = parse_with_flags(parser)
    ids = ",".join(str(i) for i in [2, *range(1000, 1000 + args.tokens - 1)])
    command = [args.exe, "run", "--ids", ids, "-n", "1", "--ignore-eos", "--print-ids", "--no-perf", *args.flags]
    first_byte(command)  # the file into memory; not counted
    times = summary([first_byte(command) for _ in range(args.rounds)])
    print(f"{os.path.basename(args.exe)}: first of {args.tokens} tokens' answer after {times['median'] * 1e3:.0f} ms "
          f"({times['min'] * 1e3:.0f} to {times['max'] * 1e3:.0f}, n = {args.rounds})")
    write_result(f"start-{os.path.basename(args.exe)}", {
        "what": f"seconds from process start to the first token, {args.tokens}-token prompt, warm",
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "machine": machine(),
        "command": command[1:], "seconds": times, "executable_sha256": digest(args.exe)})
    sys.exit(args.require is not None and times["median"] > args.require)


main()
