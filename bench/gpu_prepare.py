#!/usr/bin/env python3
"""Makes what bench/gpu.sh takes along to a machine with a GPU.

    bench/gpu_prepare.py OUT [--gemmac build/bin/gemmac] [--gpu-arch sm_90a] [--shapes e2b,e4b,31b] [--shared ../shared]

Executables of the golden models in BF16 and 4 bits with the logits they are to have, and executables of the published shapes
in Q4_0 without their weights: those are constants, which bench/gpu.sh puts in where it runs. Everything is compressed; the
folder is some ten megabytes.
"""
import argparse
import gzip
import json
import os
import shutil
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.insert(0, os.path.join(ROOT, "test", "e2e"))
import gmtest  # noqa: E402
import ggufile  # noqa: E402
import golden  # noqa: E402
import real_shapes  # noqa: E402

CASES, MODES = ["e2b-tiny", "a4b-tiny", "31b-tiny"], ["bf16", "q4"]
ROWS = 48  # of a prompt, at most: enough to tell


def compress(path, data):
    with gzip.open(path + ".gz", "wb", 6) as file:
        file.write(data)


def build(args, model, exe, *flags):
    done = gmtest.run([args.gemmac, model, "-o", exe, "--target=cuda", f"--gpu-arch={args.gpu_arch}", *flags])
    if done.code:
        sys.exit(f"{model}: {done.brief()}")


def make_golden(args, case, mode):
    """An executable, and its prompts with the logits of their last rows."""
    source = os.path.join(args.shared, "goldens", case)
    expected = os.path.join(source, "expected")
    exe = os.path.join(args.out, f"golden-{case}-{mode}")
    build(args, source, exe, *gmtest.MODE_FLAGS[mode])
    with open(exe, "rb") as file:
        compress(exe, file.read())
    os.remove(exe)
    last = gmtest.read_tensors(os.path.join(expected, "logits_last.safetensors"))
    prompts = [p for p in gmtest.read_json(os.path.join(expected, "prompts.json")) if len(p["ids"]) <= ROWS]
    measured = gmtest.read_json(os.path.join(expected, "meta.json"))["measured"]
    return {"exe": os.path.basename(exe), "limit": golden.bounds(mode, measured),
            "prompts": [{"name": p["name"], "ids": p["ids"], "logits": last[p["name"]].ravel().tolist()} for p in prompts]}


def footer(exe):
    """(weights' offset, bytes) in an executable: runtime/PayloadFormat.h."""
    with open(exe, "rb") as file:
        file.seek(-64, os.SEEK_END)
        offset, size = struct.unpack("<QQ", file.read(16))
        file.seek(offset)
        index = json.loads(file.read(size))
    section = next(s for s in index["sections"] if s["name"] == "weights")
    return section["offset"], section["bytes"]


def make_shape(args, name):
    """The executable before its weights and behind them."""
    model, exe = os.path.join(args.out, f"{name}.gguf"), os.path.join(args.out, f"shape-{name}")
    shape = real_shapes.SHAPES[name]
    ggufile.write(model, *real_shapes.metadata(shape), list(real_shapes.tensors(shape)))
    build(args, model, exe, "--context=4096")
    os.remove(model)
    offset, size = footer(exe)
    with open(exe, "rb") as file:
        compress(exe + ".head", file.read(offset))
        file.seek(offset + size)
        compress(exe + ".tail", file.read())
    os.remove(exe)
    return {"exe": os.path.basename(exe), "weights": size}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--gemmac", default=os.path.join(ROOT, "build", "bin", "gemmac"))
    parser.add_argument("--gpu-arch", default="sm_90a")
    parser.add_argument("--shapes", default="e2b,e4b,31b")
    parser.add_argument("--shared", default=os.path.join(ROOT, "..", "shared"))
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    plan = {"gpu_arch": args.gpu_arch, "goldens": [make_golden(args, case, mode) for case in CASES for mode in MODES],
            "shapes": [make_shape(args, name) for name in args.shapes.split(",") if name]}
    compress(os.path.join(args.out, "plan.json"), json.dumps(plan).encode())
    for name in ("gpu.sh", "gpu_run.py"):
        shutil.copy(os.path.join(HERE, name), args.out)
    total = sum(os.path.getsize(os.path.join(args.out, name)) for name in os.listdir(args.out))
    print(f"{args.out}: {total / 1e6:.1f} MB; run {os.path.join(args.out, 'gpu.sh')} on the machine with the GPU")


main()
