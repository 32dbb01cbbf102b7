#!/usr/bin/env python3
"""Holds the reference interpreter (gemma-run) against the f32 reference logits of the tiny checkpoints.

For each text case: the last token's logits of every prompt, all tokens' logits of one prompt, and one prompt run in two
pieces through the caches, which must equal the run in one. Bound: max|d| <= limit * max|logit|, 1e-3 by default.
usage: interp_goldens.py --gemma-run BIN --goldens DIR [DIR ..] [--only e2b-tiny,..] [-- flags for gemma-run]
"""
import argparse
import json
import os
import struct
import subprocess
import sys
import tempfile

import numpy as np

CASES = ["e2b-tiny", "e4b-tiny", "a4b-tiny", "31b-tiny", "gemma3-tiny", "unified-tiny"]


def read_tensors(path):
    """The f32 tensors of a safetensors file."""
    with open(path, "rb") as f:
        size = struct.unpack("<Q", f.read(8))[0]
        header = json.loads(f.read(size))
        data = f.read()
    return {name: np.frombuffer(data[slice(*t["data_offsets"])], "<f4").reshape(t["shape"])
            for name, t in header.items() if name != "__metadata__" and t["dtype"] == "F32"}


class Check:
    def __init__(self, args):
        self.args = args
        self.passed = self.failed = 0
        self.worst = 0.0

    def result(self, ok, what, detail):
        self.passed += bool(ok)
        self.failed += not ok
        if not ok or self.args.verbose:
            print(f"{'ok  ' if ok else 'FAIL'}  {what}  {detail}", flush=True)

    def compare(self, what, got, want, limit):
        if isinstance(got, str):
            self.result(False, what, got)
        elif got.shape != want.shape:
            self.result(False, what, f"shape {got.shape}, expected {want.shape}")
        else:
            rel = float(np.abs(got - want).max() / np.abs(want).max())
            self.worst = max(self.worst, rel)
            self.result(rel <= limit, what, f"rel {rel:.2e}, limit {limit:.0e}")

    def run(self, model, ids, entry, *flags):
        """The logits, or what went wrong."""
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "out.npy")
            command = [self.args.gemma_run, model, "--ids", ",".join(map(str, ids)), f"--entry={entry}", "-o", out]
            try:
                done = subprocess.run(command + list(flags) + self.args.flags, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, timeout=300)
            except (OSError, subprocess.TimeoutExpired) as error:
                return str(error)
            if done.returncode:
                return f"exit {done.returncode}: {done.stdout.decode('utf-8', 'replace')[:200]}"
            got = np.load(out)
            return got[-1] if entry == "last" and got.ndim == 2 else got  # --entry=decode yields all rows

    def case(self, model):
        name, expected = os.path.basename(model), os.path.join(model, "expected")
        with open(os.path.join(expected, "prompts.json"), encoding="utf-8") as f:
            prompts = json.load(f)
        if os.path.exists(os.path.join(expected, "logits_last.safetensors")):
            last = read_tensors(os.path.join(expected, "logits_last.safetensors"))
        else:  # a multimodal case as published: only its text prompts
            last = {k[:-len(".logits_last")]: v
                    for k, v in read_tensors(os.path.join(expected, "outputs.safetensors")).items()
                    if k.endswith(".logits_last")}
            prompts = [{"name": p["name"], "ids": p["input_ids"]} for p in prompts if p["name"] == "text"]
        ids = {p["name"]: p.get("ids", p.get("input_ids")) for p in prompts}
        longest = max(ids, key=lambda n: len(ids[n]))
        for prompt in self.args.prompts or ids:
            got = self.run(model, ids[prompt], "last")
            self.compare(f"{name} {prompt} last", got, np.squeeze(last[prompt]), self.args.limit)
        for file in "logits_all", "logits_rows":
            path = os.path.join(expected, file + ".safetensors")
            if not os.path.exists(path):
                continue
            for prompt, want in read_tensors(path).items():
                got = self.run(model, ids[prompt], "all")
                self.compare(f"{name} {prompt} {file}", got, want, self.args.limit)
        whole = self.run(model, ids[longest], "last")
        pieces = self.run(model, ids[longest], "last", f"--split={len(ids[longest]) // 2}")
        if isinstance(whole, str):
            self.result(False, f"{name} {longest} whole", whole)
        else:
            self.compare(f"{name} {longest} in two pieces", pieces, whole, self.args.split_limit)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--gemma-run", required=True)
    parser.add_argument("--goldens", required=True, nargs="+", help="folders that hold the cases")
    parser.add_argument("--only", default=",".join(CASES))
    parser.add_argument("--prompts", type=lambda s: s.split(","), help="only these")
    parser.add_argument("--limit", type=float, default=1e-3)
    parser.add_argument("--split-limit", type=float, default=1e-6)
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("flags", nargs="*", default=[])
    args = parser.parse_args()
    check = Check(args)
    for case in args.only.split(","):
        models = [m for m in (os.path.join(g, case) for g in args.goldens) if os.path.isdir(m)]
        if not models:
            check.result(False, case, "in none of the folders")
        for model in models:
            check.case(model)
    print(f"largest deviation {check.worst:.2e}")
    print(f"{check.passed} passed, {check.failed} failed")
    sys.exit(1 if check.failed or not check.passed else 0)


if __name__ == "__main__":
    main()
