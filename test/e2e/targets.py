#!/usr/bin/env python3
"""One executable for several targets: one packing of the weights, the best target is used, each can be asked for.

Every target that this machine has must write the reference's text in f32 and reach its perplexity in q8 (where a matrix
unit rounds differently). The weights are the same bytes as in an executable for one target.
"""
import ctypes
import json
import os
import struct

import numpy as np

import gmtest
import psalter

RANKS = ["x86-64-v3", "x86-64-v4", "znver5", "sapphirerapids"]  # as --list-targets has them, the most capable last
CODE_LIMIT = 6 << 20
NO_FILTER = 99  # of a child that could not get its seccomp filter


def info(tally, exe, *flags):
    result = gmtest.run([exe, "info", "--json", *flags])
    if not tally.check(result.code == 0, f"info {' '.join(flags)}", result.brief()):
        return None
    return json.loads(result.text)


def section(described, name):
    return next((s["bytes"], s["xxh3"]) for s in described["sections"] if s["name"] == name)


def check_info(tally, described):
    """Names of the targets that this machine has, best first."""
    names = [t["march"] for t in described["targets"]]
    tally.check(names == RANKS[::-1], "info lists the targets by rank", str(names))
    here = [t["march"] for t in described["targets"] if not t["missing_features"]]
    used = [t["march"] for t in described["targets"] if t["used"]]
    tally.check(used == here[:1] and (not used or described["march"] == used), "the best that is here is used",
                f"here {here} used {used} march {described['march']}")
    tally.check(described["elf_bytes"] <= CODE_LIMIT, "size without weights", f"{described['elf_bytes']} bytes")
    return here


def check_one(tally, exe, name, here, described):
    """The forced target: text and what info says; or exit 3 with what the machine lacks."""
    flag = f"--march={name}"
    if name not in here:
        lacks = next(t["missing_features"] for t in described["targets"] if t["march"] == name)
        result = gmtest.run([exe, "--ids", "2", "-n", "1", flag])
        tally.check(result.code == 3 and all(f in result.err for f in lacks), f"{flag} is refused", result.brief())
        return
    forced = info(tally, exe, flag)
    tally.check(bool(forced) and forced["march"] == [name], f"info {flag} is of that target")
    expected = gmtest.read_json(os.path.join(gmtest.PSALTER, "expected.json"))
    psalter.check_greedy(tally, exe, expected["prompts"], flag)
    psalter.check_text(tally, exe, expected["prompts"], flag)


def check_single(tally, compiler, folder, exe, described, flags):
    """The same for one target alone: equal weights, equal logits, bit for bit."""
    single = compiler.build(tally, "x86-64-v3 alone", gmtest.PSALTER, os.path.join(folder, "single"), *flags,
                            "--march=x86-64-v3")
    alone = single and info(tally, single)
    if not alone:
        return
    for name in ("weights", "tokenizer"):
        tally.check(section(alone, name) == section(described, name), f"{name} as in the executable for one target",
                    f"{section(alone, name)} {section(described, name)}")
    if alone["missing_features"]:
        return
    ids = list(range(2, 202))
    one, why = gmtest.logits(single, ids)
    other, also = gmtest.logits(exe, ids, "--march=x86-64-v3")
    tally.check(one is not None and other is not None and np.array_equal(one, other),
                "logits as of the executable for one target", why or also)


def without_tiles():
    """A preexec_fn: a kernel that refuses AMX tile registers (arch_prctl ARCH_REQ_XCOMP_PERM), by a seccomp filter."""
    load, jump, give = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
    code = [(load, 0, 0, 0), (jump, 0, 3, 158), (load, 0, 0, 16), (jump, 0, 1, 0x1023), (give, 0, 0, 0x50001),
            (give, 0, 0, 0x7FFF0000)]  # errno EPERM, allow
    raw = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
    libc, zero = ctypes.CDLL(None, use_errno=True), ctypes.c_ulong(0)

    def apply():
        program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code), ctypes.addressof(raw)))
        # PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP with SECCOMP_MODE_FILTER
        if (libc.prctl(38, ctypes.c_ulong(1), zero, zero, zero)
                or libc.prctl(22, ctypes.c_ulong(2), program, zero, zero)):
            os._exit(NO_FILTER)
    return apply


def check_refused_tiles(tally, exe, here):
    """What the kernel does not enable is not there: the next target is used."""
    if "sapphirerapids" not in here:
        tally.skip("a kernel that refuses AMX tiles", "this machine has no AMX")
        return
    result = gmtest.run([exe, "info", "--json"], preexec_fn=without_tiles())
    if result.code == NO_FILTER:
        tally.skip("a kernel that refuses AMX tiles", "seccomp filters are not allowed here")
        return
    if tally.check(result.code == 0, "info where the kernel refuses AMX tiles", result.brief()):
        tally.check(json.loads(result.text)["march"] == ["znver5"], "without AMX tiles the next target is used",
                    str(json.loads(result.text)["march"]))
    result = gmtest.run([exe, "--ids", "2", "-n", "1", "--print-ids"], preexec_fn=without_tiles())
    tally.check(result.code == 0, "and runs", result.brief())
    result = gmtest.run([exe, "--ids", "2", "-n", "1", "--march=sapphirerapids"], preexec_fn=without_tiles())
    tally.check(result.code == 3 and "AMX tile registers" in result.err, "AMX asked for is refused by name",
                result.brief())


def check_refusals(tally, compiler, folder, exe):
    result = gmtest.run([exe, "--ids", "2", "-n", "1", "--march", "znver9"])
    tally.check(result.code == 2 and all(n in result.err for n in ["znver9", *RANKS]), "unknown target is refused",
                result.brief())
    out = os.path.join(folder, "never")
    for marches, named in [("x86-64-v3,x86-64-v3", "twice"), ("x86-64-v3,", "empty"), (",", "empty"),
                           ("x86-64-v3,i386", "i386"), ("x86-64-v3,x86-64-v4 --emit=asm", "--emit=exe"),
                           ("x86-64-v3,x86-64-v4 --emit=step", "--emit=exe")]:
        result = compiler(gmtest.PSALTER, out, *f"--march={marches}".split())
        tally.check(result.code == 2 and named in result.err and not os.path.exists(out), f"--march={marches}",
                    result.brief())


def main():
    args = gmtest.arguments(__doc__).parse_args()
    tally, compiler = gmtest.start(args)
    expected = gmtest.read_json(os.path.join(gmtest.PSALTER, "expected.json"))
    with gmtest.work_folder(args) as folder:
        for mode in ("f32", "q8"):
            flags, allowed = psalter.MODES[mode]
            exe = compiler.build(tally, f"{mode} for {len(RANKS)} targets", gmtest.PSALTER,
                                 os.path.join(folder, mode), *flags, "--march=" + ",".join(RANKS))
            described = exe and info(tally, exe)
            if not described:
                continue
            here = check_info(tally, described)
            check_single(tally, compiler, folder, exe, described, flags)
            for name in RANKS:
                if mode == "f32":
                    check_one(tally, exe, name, here, described)
                elif name in here:
                    psalter.check_perplexity(tally, exe, mode, expected["perplexity_ctx512_chunks8_f32"], allowed,
                                             f"--march={name}")
            if mode == "f32":
                check_refusals(tally, compiler, folder, exe)
                check_refused_tiles(tally, exe, here)
                again = compiler.build(tally, "again", gmtest.PSALTER, os.path.join(folder, "again"), *flags,
                                       "--march=" + ",".join(RANKS[::-1]))
                same = again and gmtest.run(["cmp", exe, again])
                tally.check(same and same.code == 0, "the order of the names does not matter",
                            same.brief() if same else "")
    tally.finish()


main()
