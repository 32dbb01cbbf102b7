#!/usr/bin/env python3
"""--target=cuda: what goes to a GPU, and the very same modules on this machine's cores (--emulate).

  hash      both ways print the same hash of the gpu modules
  blocks    the same bits for 1, 2, 3 and 5 blocks, for a prompt and for single rows
  answers   what is decoded is the same for any number of blocks and for architectures that copy weights in another way,
            and is what a prompt with the same tokens has the largest logits of
  roads     the first token alone, without tensor cores, and as a row of a prompt agree as far as rounding goes
  tables    with --ple=host, whose tables have an address of their own, the same bits
  no-gpu    an executable for GPUs says what is missing where there is none: exit 3
  modes     formats and shapes that the cases and the goldens do not have, against the same flags on CPUs
"""
import json
import os
import re

import numpy as np

import gmtest

CASES = ["e2b-tiny", "a4b-tiny"]
HAVE_TABLES = ["e2b-tiny"]  # of embeddings of layers
# Name: model, flags, tokens of the prompt, and how far its logits may be from those of the CPU's code, which the goldens
# are held against: in f32 the order of additions apart; else in the mean, since values round to the other side.
MODES = {
    "long": ("gemma3-tiny", gmtest.MODE_FLAGS["f32"], 300, {"rel": 1e-3}),  # several chunks, windows and turns of caches
    "unfused": ("e2b-tiny", [*gmtest.MODE_FLAGS["f32"], "--fuse=none"], 40, {"rel": 1e-3}),
    "experts": ("a4b-tiny", ["--quantize=q4", "--compute=int8"], 40, {"kl": 1e-2}),
    "cache": ("psalter", ["--quantize=q8", "--kv=q8"], 70, {"kl": 3e-3}),
}
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


def check_mode(tally, compiler, folder, name):
    case, flags, count, limit = MODES[name]
    model = gmtest.PSALTER if case == "psalter" else os.path.join(gmtest.GOLDENS, case)
    ids = [2] + [int(i) for i in np.random.default_rng(7).integers(3, 400, count - 1)]
    rows = {}
    for way, more in (("cpu", ["--march=x86-64-v3"]), ("gpu", ["--target=cuda", "--gpu-arch=sm_90a", "--emulate"])):
        exe = compiler.build(tally, f"{name} {way}", model, os.path.join(folder, f"{name}-{way}"), *flags, *more)
        rows[way], why = gmtest.logits(exe, ids, "--all") if exe else (None, "was not compiled")
        if not tally.check(rows[way] is not None, f"{name} {way}: logits of {count} tokens", why):
            return
    found = gmtest.compare(rows["gpu"], rows["cpu"])
    tally.check(all(found[key] <= most for key, most in limit.items()), f"{name}: as on CPUs", f"{found}, limit {limit}")


def main():
    parser = gmtest.arguments(__doc__)
    parser.add_argument("--only", default=",".join([*CASES, *MODES]), help="cases and modes, separated by commas")
    args = parser.parse_args()
    tally, compiler = gmtest.start(args)
    with gmtest.work_folder(args) as folder:
        for case in args.only.split(","):
            (check_mode if case in MODES else check)(tally, compiler, folder, case)
    tally.finish()


main()
