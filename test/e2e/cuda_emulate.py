#!/usr/bin/env python3
"""--target=cuda: what goes to a GPU, and the very same modules on this machine's cores (--emulate).

  hash      both ways print the same hash of the gpu modules
  blocks    the same bits for 1, 2, 3 and 5 blocks, for a prompt and for single rows
  answers   what is decoded is the same for any number of blocks and for architectures that copy weights in another way,
            and is what a prompt with the same tokens has the largest logits of
  roads     the first token alone, without tensor cores, and as a row of a prompt agree as far as rounding goes
  tables    with --ple=host, whose tables have an address of their own, the same bits
  no-gpu    an executable for GPUs says what is missing where there is none: exit 3
"""
import json
import os
import re

import numpy as np

import gmtest

CASES = ["e2b-tiny", "a4b-tiny"]
HAVE_TABLES = ["e2b-tiny"]  # of embeddings of layers
IDS = [2] + [int(i) for i in np.random.default_rng(5).integers(3, 400, 40)]


def hash_of(text):
    found = re.search(r"gpu modules for \S+ sha256 ([0-9a-f]{64})", text)
    return found.group(1) if found else None


def answer(exe, blocks):
    """Ids of the likeliest answer; enough for attention in several parts."""
    done = gmtest.run([exe, "run", "--ids", ",".join(map(str, IDS)), "-n", "48", "--temp", "0", "--ignore-eos", "--print-ids",
                       "--no-perf", "-t", str(blocks)])
    return (json.loads(done.out) if done.code == 0 else None), done.brief()


def check_answers(tally, compiler, folder, case, model, exe):
    old = os.path.join(folder, "old")
    made = compiler(model, old, "--target=cuda", "--gpu-arch=sm_80", "--emulate")
    if not tally.check(made.code == 0, f"{case}: compiles for sm_80", made.brief()):
        return
    first, why = answer(exe, 1)
    if not tally.check(first is not None and len(first) == 48, f"{case}: answers", why):
        return
    for blocks in (2, 3, 5):
        ids, why = answer(exe, blocks)
        tally.check(ids == first, f"{case}: {blocks} blocks give the answer of one", f"{ids}, {first}, {why}")
    ids, why = answer(old, 2)
    tally.check(ids == first, f"{case}: sm_80 gives the answer of sm_90a", f"{ids}, {first}, {why}")
    rows, why = gmtest.logits(exe, IDS + first, "--all", "-t", "2")
    if tally.check(rows is not None, f"{case}: logits of the answer", why):
        rows = np.squeeze(rows)[len(IDS) - 1:-1]
        behind = rows.max(axis=1) - rows[np.arange(len(first)), first]
        tally.check(behind.max() < 0.05 * rows.std(), f"{case}: the answer has the largest logits",
                    f"{behind.max()} below, deviation {rows.std()}")


def check_tables(tally, compiler, folder, case, model, rows):
    host = os.path.join(folder, "host")
    made = compiler(model, host, "--target=cuda", "--gpu-arch=sm_90a", "--emulate", "--ple=host")
    if tally.check(made.code == 0, f"{case}: compiles with --ple=host", made.brief()):
        got, why = gmtest.logits(host, IDS, "--all", "-t", "2")
        tally.check(got is not None and np.array_equal(got, rows), f"{case}: --ple=host has the same bits", why)


def check(tally, compiler, folder, case):
    model = os.path.join(gmtest.GOLDENS, case)
    gpu, cpu = os.path.join(folder, "gpu"), os.path.join(folder, "cpu")
    flags = ["--target=cuda", "--gpu-arch=sm_90a", "-v"]
    made = compiler(model, gpu, *flags)
    emulated = compiler(model, cpu, *flags, "--emulate")
    if not tally.check(made.code == 0 and emulated.code == 0, f"{case}: compiles", made.brief() + emulated.brief()):
        return
    tally.check(hash_of(made.err) and hash_of(made.err) == hash_of(emulated.err), f"{case}: one hash",
                f"{hash_of(made.err)}, {hash_of(emulated.err)}")
    rows = {}
    for blocks in (1, 2, 3, 5):
        rows[blocks], why = gmtest.logits(cpu, IDS, "--all", "-t", str(blocks))
        tally.check(rows[blocks] is not None and np.array_equal(rows[blocks], rows[1]),
                    f"{case}: {blocks} blocks give the bits of one", why)
    check_answers(tally, compiler, folder, case, model, cpu)
    if case in HAVE_TABLES:
        check_tables(tally, compiler, folder, case, model, rows[1])
    last, why = gmtest.logits(cpu, IDS[:1], "-t", "2")
    tally.check(last is not None and gmtest.compare(np.squeeze(last), rows[1][0])["cos"] > 0.999,
                f"{case}: a single row is the first of a prompt", why)
    here = gmtest.run([gpu, "--ids", "2,5", "-n", "1"])
    if os.path.exists("/dev/nvidia0"):
        tally.skip(f"{case}: without a GPU", "this machine has one")
    else:
        tally.check(here.code == 3 and "libcuda.so.1" in here.err, f"{case}: says that there is no GPU", here.brief())


def main():
    parser = gmtest.arguments(__doc__)
    parser.add_argument("--only", default=",".join(CASES), help="cases, separated by commas")
    args = parser.parse_args()
    tally, compiler = gmtest.start(args)
    with gmtest.work_folder(args) as folder:
        for case in args.only.split(","):
            check(tally, compiler, folder, case)
    tally.finish()


main()
