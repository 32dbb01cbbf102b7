#!/usr/bin/env python3
"""Executables for aarch64 on an emulator: what they need, what they say where it is missing, and the choice of target.

Kernels make the same additions in the same order everywhere, so that their logits are those of an x86-64 executable, bit
for bit. The goldens of such executables are golden.py's, with --runner.
"""
import json
import os
import shutil

import numpy as np

import gmtest

ONE, OTHER = "armv8.2-a+dotprod", "armv8.2-a+dotprod+i8mm"
# CPUs of the emulator, and the features (of those above) that they lack.
CPUS = {"max": [], "neoverse-n1": ["i8mm"], "cortex-a72": ["lse", "rdm", "dotprod", "i8mm"]}
BITS = [("a4b-tiny", ["--quantize=q4"]), ("e2b-tiny", ["--quantize=q8"]), ("gemma3-tiny", gmtest.MODE_FLAGS["f32"]),
        ("gemma3-tiny", gmtest.MODE_FLAGS["bf16"]), ("gemma3-tiny", gmtest.MODE_FLAGS["q4"])]
MODEL = os.path.join(gmtest.GOLDENS, "gemma3-tiny")


def on(cpu, exe, *arguments):
    return gmtest.run([*gmtest.RUNNER, "-cpu", cpu, exe, *arguments])


def check_info(tally, exe):
    result = on("max", exe, "info", "--json")
    if not tally.check(result.code == 0, "info", result.brief()):
        return
    described = json.loads(result.text)
    names = [t["march"] for t in described["targets"]]
    tally.check(names == [OTHER, ONE], "targets by rank", str(names))
    tally.check(described["elf_bytes"] <= 6 << 20, "size without weights", str(described["elf_bytes"]))
    header = gmtest.run(["readelf", "-hlW", exe])
    tally.check("AArch64" in header.text and "/lib/ld-linux-aarch64.so.1" in header.text, "ELF header",
                header.text[:400])


def check_choice(tally, exe):
    for cpu, lacks in CPUS.items():
        used = next((name for name, needs in ((OTHER, ["dotprod", "i8mm"]), (ONE, ["dotprod"]))
                     if not set(needs) & set(lacks)), None)
        result = on(cpu, exe, "bench", "-p", "0", "-n", "1", "-r", "1", "-o", "json")
        if used:
            tally.check(result.code == 0 and json.loads(result.text)[0]["march"] == used, f"{cpu} runs {used}",
                        result.brief() + result.text[:300])
            continue
        tally.check(result.code == 3 and all(f in result.err for f in [ONE, OTHER, *lacks]),
                    f"{cpu} is told what is missing", result.brief())
        for name in (ONE, OTHER):
            result = on(cpu, exe, "--ids", "2", "-n", "1", "--march", name)
            tally.check(result.code == 3 and "dotprod" in result.err, f"{cpu} --march={name}", result.brief())


def check_workers(tally, exe):
    texts = {gmtest.run([*gmtest.RUNNER, exe, "--ids", "2,5,7", "-n", "4", "--temp", "0", "--ignore-eos", "--print-ids",
                         "-t", workers]).out for workers in ("1", "3")}
    tally.check(len(texts) == 1 and texts != {b""}, "the same answer for each number of workers", str(texts))
    result = gmtest.run([*gmtest.RUNNER, exe, "verify"])
    tally.check(result.code == 0, "verify", result.brief())


def rows_of(exe, ids, emulated, *flags):
    """Logits of a prompt (several rows at a time) and of its last token, or why there are none."""
    runner, gmtest.RUNNER[:] = list(gmtest.RUNNER), gmtest.RUNNER if emulated else []
    try:
        found = [gmtest.logits(exe, ids, "--all", *flags), gmtest.logits(exe, ids[:1], *flags)]
    finally:
        gmtest.RUNNER[:] = runner
    return [array for array, _ in found if array is not None], " ".join(why for _, why in found)


def check_bits(tally, compiler, folder, case, flags):
    what = f"{case} {' '.join(flags)}"
    source = os.path.join(gmtest.GOLDENS, case)
    arm = compiler.build(tally, f"{what} aarch64", source, os.path.join(folder, "arm"), *flags, f"--march={ONE},{OTHER}")
    x86 = compiler.build(tally, f"{what} x86-64", source, os.path.join(folder, "x86"), *flags, "--march=x86-64-v3")
    if not arm or not x86:
        return
    ids = [int(i) for i in np.random.default_rng(7).integers(5, 2000, 39)]
    want, why = rows_of(x86, ids, False)
    if not tally.check(len(want) == 2, f"{what} on x86-64", why):
        return
    for name in (ONE, OTHER):
        got, why = rows_of(arm, ids, True, f"--march={name}")
        same = len(got) == 2 and all(np.array_equal(g, w) for g, w in zip(got, want))
        tally.check(same, f"{what} {name}: the bits of x86-64-v3", why)


def check_not_built(tally, compiler, folder):
    """A gemmac whose build found no cross compiler has no such folder."""
    alone = os.path.join(folder, "alone", "bin", "gemmac")
    os.makedirs(os.path.dirname(alone))
    shutil.copy(compiler.gemmac, alone)
    out = os.path.join(folder, "never")
    result = gmtest.run([alone, MODEL, "-o", out, f"--march={ONE}"])
    tally.check(result.code == 3 and "the runtime for aarch64 was not built" in result.err and not os.path.exists(out),
                "without the runtime for aarch64", result.brief())


def main():
    args = gmtest.arguments(__doc__).parse_args()
    tally, compiler = gmtest.start(args)
    with gmtest.work_folder(args) as folder:
        exe = compiler.build(tally, "gemma3-tiny", MODEL, os.path.join(folder, "model"), "--quantize=q8",
                             f"--march={ONE},{OTHER}")
        if exe:
            check_info(tally, exe)
            check_choice(tally, exe)
            check_workers(tally, exe)
        for case, flags in BITS:
            check_bits(tally, compiler, folder, case, flags)
        check_not_built(tally, compiler, folder)
        out = os.path.join(folder, "never")
        result = compiler(MODEL, out, f"--march=x86-64-v3,{ONE}")
        tally.check(result.code == 2 and "one architecture" in result.err and not os.path.exists(out),
                    "two architectures in one file", result.brief())
    tally.finish()


main()
