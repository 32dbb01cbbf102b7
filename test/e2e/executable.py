#!/usr/bin/env python3
"""The executable as a file and as a program: what docs/architecture.md, "Executable" and "Command line", promise.

  elf        needs libc, libm and ld-linux at most; position independent; at most 6 MiB in front of the weights
  damage     truncated, extended, stripped or with a flipped byte: refused with a message, never a signal
  usage      what is not supported or not understood is refused by name with exit 2, and stdout stays empty
  answers    info, info --json, bench -o json, --print-ids: stdout holds the answer only
"""
import json
import os
import re
import shutil
import struct

import gmtest

ALLOWED_LIBRARIES = {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2"}
CODE_LIMIT = 6 << 20
FOOTER = struct.Struct("<QQQ2Q2Q8s")  # runtime/PayloadFormat.h, PayloadFooter
TEMPLATE_CASE = "e2b-tiny"


def read_footer(path):
    """(footer fields, index as JSON) of an executable."""
    with open(path, "rb") as file:
        file.seek(-FOOTER.size, os.SEEK_END)
        offset, size, whole, _, _, _, _, magic = FOOTER.unpack(file.read(FOOTER.size))
        file.seek(offset)
        index = json.loads(file.read(size)) if magic == b"GMFOOT01" else None
    return {"offset": offset, "bytes": size, "file": whole, "magic": magic}, index


def check_elf(tally, exe):
    dynamic = gmtest.run(["readelf", "-dW", exe])
    needed = set(re.findall(r"\(NEEDED\).*\[(.*?)\]", dynamic.text))
    tally.check(dynamic.code == 0, "readelf -d", dynamic.brief())
    tally.check(needed <= ALLOWED_LIBRARIES, "needed libraries", f"found {sorted(needed)}")
    tally.check(not re.search(r"\((RPATH|RUNPATH)\)", dynamic.text), "no rpath", dynamic.text)
    tally.check("TEXTREL" not in dynamic.text, "no text relocations", dynamic.text)
    header = gmtest.run(["readelf", "-hW", exe])
    tally.check(bool(re.search(r"Type:\s+DYN", header.text)), "position independent", header.text[:400])
    segments = gmtest.run(["readelf", "-lW", exe])
    stack = re.search(r"GNU_STACK.*", segments.text)
    tally.check(bool(stack) and "RWE" not in stack.group(0), "stack is not executable",
                stack.group(0) if stack else "no GNU_STACK")
    tally.check(not re.search(r"LOAD.*RWE", segments.text), "no segment is both written and executed", segments.text)


def check_layout(tally, exe):
    footer, index = read_footer(exe)
    size = os.path.getsize(exe)
    if not tally.check(index is not None and footer["file"] == size, "footer",
                       f"magic {footer['magic']}, says {footer['file']} bytes, file has {size}"):
        return None
    sections = {s["name"]: s for s in index["sections"]}
    if not tally.check({"weights", "tokenizer"} <= set(sections), "sections", f"found {sorted(sections)}"):
        return None
    for name, section in sections.items():
        inside = section["offset"] + section["bytes"] <= footer["offset"]
        tally.check(inside and section["offset"] % 64 == 0, f"section {name}", str(section))
    weights = sections["weights"]
    tally.check(weights["offset"] % gmtest.PAYLOAD_ALIGN == 0, "weights at a multiple of 2 MiB", str(weights))
    tally.check(weights["offset"] <= CODE_LIMIT, "size without weights",
                f"{weights['offset']} bytes in front of them, at most {CODE_LIMIT}")
    with open(exe, "rb") as file:
        code = file.read(weights["offset"])
    tally.check(b"libcuda" not in code, "what runs GPUs is in programs for GPUs only", "found libcuda in front of the weights")
    return sections


def variant(folder, exe, name, change):
    """A copy of the executable after change(file object opened r+b)."""
    path = os.path.join(folder, name)
    shutil.copy(exe, path)
    with open(path, "r+b") as file:
        change(file)
    return path


def flip(offset):
    def change(file):
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x10]))
    return change


def refused(tally, what, exe, *arguments):
    result = gmtest.run([exe, *arguments])
    tally.check(result.code == 3 and result.err.strip() != "" and result.out == b"", f"{what} is refused with exit 3",
                f"{result.brief()} stdout {result.out[:60]!r}")


def check_damage(tally, folder, exe, sections):
    size = os.path.getsize(exe)
    footer, _ = read_footer(exe)
    good = gmtest.run([exe, "verify"])
    tally.check(good.code == 0, "verify of an untouched file", good.brief())
    weights = sections["weights"]
    cuts = {"one byte short": size - 1, "footer gone": size - FOOTER.size, "half the weights":
            weights["offset"] + weights["bytes"] // 2, "no weights at all": weights["offset"]}
    for what, length in cuts.items():
        path = variant(folder, exe, "cut", lambda file, length=length: file.truncate(length))
        refused(tally, f"truncated ({what})", path, "--ids", "2", "-n", "1")
        refused(tally, f"truncated ({what}), info", path, "info")
    path = variant(folder, exe, "longer", lambda file: (file.seek(0, os.SEEK_END), file.write(b"\0" * 64)))
    refused(tally, "extended", path, "--ids", "2", "-n", "1")
    stripped = os.path.join(folder, "stripped")
    result = gmtest.run(["strip", "-o", stripped, exe])
    if tally.check(result.code == 0, "strip", result.brief()):
        refused(tally, "stripped", stripped, "--ids", "2", "-n", "1")
    path = variant(folder, exe, "index", flip(footer["offset"] + footer["bytes"] // 2))
    refused(tally, "flipped byte in the index", path, "--ids", "2", "-n", "1")
    path = variant(folder, exe, "footer", flip(size - FOOTER.size))
    refused(tally, "flipped byte in the footer", path, "--ids", "2", "-n", "1")
    for name, section in sections.items():
        # Of the program only bytes that the loader ignores: the padding of the ELF identification (e_ident[9..15]).
        places = {9, 15} if name == "program" else {0, section["bytes"] // 2, section["bytes"] - 1}
        for place in sorted(places):
            path = variant(folder, exe, "flipped", flip(section["offset"] + place))
            result = gmtest.run([path, "verify"])
            tally.check(result.code in (1, 3) and name in result.err, f"verify finds byte {place} of {name}",
                        result.brief())


def check_usage(tally, folder, exe, compiler):
    def usage(program, arguments, *named, codes=(2,)):
        result = gmtest.run([program, *arguments])
        missing = [n for n in named if n.lower() not in result.err.lower()]
        tally.check(result.code in codes and not missing and result.out == b"" and result.err.strip() != "",
                    f"{os.path.basename(program)} {' '.join(arguments)}"[:100],
                    f"{result.brief()} not named {missing} stdout {result.out[:60]!r}")

    usage(exe, ["logits", "-p", "Hello", "-o", os.path.join(folder, "x.npy")], "--raw")
    for verb in ("serve", "parse"):
        usage(exe, [verb], verb)
    for flag in ("--image", "--audio", "--video", "--json-schema", "--system"):
        usage(exe, ["-p", "Hello", "--raw", flag, "nothing"], flag)
    usage(exe, ["--no-such-option"], "--no-such-option")
    usage(exe, ["--ids", "2,x", "-n", "1"], "--ids")
    usage(exe, ["--ids", "", "-n", "1"], "--ids")
    usage(exe, ["--ids", "2,99999999", "-n", "1"], "99999999", codes=(1, 2))
    usage(exe, ["--ids", "2,-5", "-n", "1"], "-5", codes=(1, 2))
    usage(exe, ["--ids", "2", "-n", "many"], "-n")
    usage(exe, ["--ids", "2", "-n", "1", "-t", "0"], "-t")
    usage(exe, ["-f", os.path.join(folder, "absent.txt"), "--raw"], "absent.txt", codes=(1, 2))
    usage(exe, ["logits", "-o", os.path.join(folder, "x.npy")], "--ids")
    usage(exe, ["logits", "--ids", "2", "-o", os.path.join(folder, "absent", "x.npy")], "absent", codes=(1, 2, 3))

    model = os.path.join(gmtest.GOLDENS, TEMPLATE_CASE)
    out = os.path.join(folder, "never")
    bad = [["--target=cuda"], ["--target=abacus"], ["--march=i386"], ["--quantize=q99"], ["--compute=f7"],
           ["--kv=f7"], ["--emit=ptx"], ["--emit=nonsense"], ["--fuse=nonsense"], ["--context=0"], ["--context=x"],
           ["--max-batch=0"], ["--weights=elsewhere"], ["--mmproj=x"], ["--no-such-option"]]
    for flags in bad:
        usage(compiler.gemmac, [model, "-o", out, *flags], flags[0].split("=")[0])
    usage(compiler.gemmac, [])
    usage(compiler.gemmac, ["-o", out])
    usage(compiler.gemmac, [os.path.join(folder, "no-such-model"), "-o", out], "no-such-model", codes=(1, 2))
    gguf = os.path.join(folder, "model.gguf")
    with open(gguf, "wb") as file:
        file.write(b"GGUF" + bytes(60))
    usage(compiler.gemmac, [gguf, "-o", out], "gguf", codes=(1, 2))
    tally.check(not os.path.exists(out), "a refused compilation writes nothing")
    for program in (exe, compiler.gemmac):
        for flag in ("--help", "--version"):
            result = gmtest.run([program, flag])
            tally.check(result.code == 0 and result.out != b"", f"{os.path.basename(program)} {flag}", result.brief())


def check_answers(tally, folder, exe):
    got, why = gmtest.generate(exe, [2, 105], 5)
    tally.check(got is not None and len(got) == 5, "--print-ids -n 5", why or str(got))
    result = gmtest.run([exe, "run", "-p", "Hello", "--raw", "-n", "4", "-s", "1"])
    again = gmtest.run([exe, "run", "-p", "Hello", "--raw", "-n", "4", "-s", "1", "-t", "3"])
    tally.check(result.code == 0 and result.out == again.out, "the same seed gives the same text",
                f"{result.brief()} {result.out!r} {again.out!r}")
    result = gmtest.run([exe, "-", "--raw", "-n", "1", "--temp", "0"], stdin=b"Hello")
    tally.check(result.code == 0, "prompt from stdin", result.brief())
    result = gmtest.run([exe, "info"])
    tally.check(result.code == 0 and result.out != b"", "info", result.brief())
    result = gmtest.run([exe, "info", "--json"])
    tally.check(result.code == 0 and isinstance(parse(result.text), dict), "info --json", result.brief())
    result = gmtest.run([exe, "bench", "-p", "16", "-n", "4", "-r", "2", "-o", "json"])
    rows = parse(result.text)
    keys = {"n_prompt", "n_gen", "n_depth", "avg_ts", "stddev_ts", "samples_ts"}
    ok = isinstance(rows, list) and rows and all(isinstance(r, dict) and keys <= set(r) for r in rows)
    tally.check(result.code == 0 and ok, "bench -o json has llama-bench's fields", result.brief() + result.text[:300])
    trace = os.path.join(folder, "trace.json")
    result = gmtest.run([exe, "--ids", "2,105,9", "-n", "3", "--ignore-eos", "-t", "2", "--trace", trace])
    if tally.check(result.code == 0 and os.path.isfile(trace), "--trace", result.brief()):
        check_trace(tally, exe, trace)
    link = os.path.join(folder, "link")
    os.symlink(exe, link)
    result = gmtest.run([link, "--ids", "2", "-n", "1", "--print-ids"], cwd="/")
    tally.check(result.code == 0, "runs through a symbolic link and from another folder", result.brief())
    result = gmtest.run([exe, "--ids", "2", "-n", "1", "--print-ids"], env={})
    tally.check(result.code == 0, "runs with an empty environment", result.brief())


def check_trace(tally, exe, path):
    """Each decode step has the manifest's phases, in their order, on the track of each worker."""
    names = parse(gmtest.run([exe, "info", "--json"]).text)["phases"]
    with open(path, encoding="utf-8") as file:
        events = [e for e in json.load(file)["traceEvents"] if e["ph"] == "X"]
    steps = [e for e in events if e["tid"] == 0]
    tally.check([s["name"] for s in steps] == ["prefill_last", "decode_top", "decode_top"], "steps of the trace", str(steps))
    for worker in (1, 2):
        track = [e for e in events if e["tid"] == worker]
        tally.check([e["name"] for e in track[-2 * len(names):]] == 2 * names, f"phases of worker {worker - 1}")
        tally.check(all(a["ts"] + a["dur"] <= b["ts"] + 0.002 for a, b in zip(track, track[1:])),
                    f"phases of worker {worker - 1} are in order")


def parse(text):
    try:
        return json.loads(text)
    except ValueError:
        return None


def main():
    args = gmtest.arguments(__doc__).parse_args()
    tally, compiler = gmtest.start(args)
    with gmtest.work_folder(args) as folder:
        model = os.path.join(gmtest.GOLDENS, TEMPLATE_CASE)
        result = compiler(model, os.path.join(folder, "model"))
        tally.note(f"{TEMPLATE_CASE} compiled in {result.seconds:.1f} s")
        exe = os.path.join(folder, "model")
        if tally.check(result.code == 0 and os.access(exe, os.X_OK), "compile", result.brief()):
            check_elf(tally, exe)
            sections = check_layout(tally, exe)
            if sections:
                check_damage(tally, folder, exe, sections)
            check_usage(tally, folder, exe, compiler)
            check_answers(tally, folder, exe)
    tally.finish()


main()
