#!/usr/bin/env python3
"""GGUF files that store one model in other tensors compile to the very same executable.

  qkv      the rows of q, k and v stacked in attn_qkv
  experts  ffn_gate_up_exps apart, as ffn_gate_exps and ffn_up_exps

and parts that do not fit each other are refused by name.
"""
import hashlib
import os

import gmtest
from ggufile import Gguf, Tensor, row_bytes

def stack_qkv(gguf):
    by_name = {tensor.name: tensor for tensor in gguf.tensors}
    for name, q in list(by_name.items()):
        if not name.endswith("attn_q.weight"):
            continue
        parts = [q, by_name.get(name.replace("_q.", "_k.")), by_name.get(name.replace("_q.", "_v."))]
        if None in parts or len({part.kind for part in parts}) > 1:
            continue
        stacked = Tensor(name.replace("_q.", "_qkv."), [q.dims[0], sum(part.dims[1] for part in parts)], q.kind,
                         b"".join(part.data for part in parts))
        gguf.tensors = [tensor for tensor in gguf.tensors if tensor not in parts] + [stacked]


def part_experts(gguf):
    tensors = []
    for tensor in gguf.tensors:
        if not tensor.name.endswith("ffn_gate_up_exps.weight"):
            tensors.append(tensor)
            continue
        inputs, rows, experts = tensor.dims
        half = row_bytes(tensor) * rows // 2
        for i, part in enumerate(("ffn_gate_exps", "ffn_up_exps")):
            data = b"".join(tensor.data[(2 * e + i) * half:][:half] for e in range(experts))
            tensors.append(Tensor(tensor.name.replace("ffn_gate_up_exps", part), [inputs, rows // 2, experts],
                                  tensor.kind, data))
    gguf.tensors = tensors


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def check_same(tally, compiler, folder, source, what, change):
    name = os.path.basename(source)
    changed = Gguf(source)
    before = [tensor.name for tensor in changed.tensors]
    change(changed)
    tally.check(before != [tensor.name for tensor in changed.tensors], f"{name} {what} changes something")
    os.makedirs(os.path.join(folder, what), exist_ok=True)
    other = os.path.join(folder, what, name)  # the file's name becomes the model's
    changed.write(other)
    executables = [compiler.build(tally, f"{name} {what} {i}", path, os.path.join(folder, f"{i}.exe"))
                   for i, path in enumerate((source, other))]
    if all(executables):
        tally.check(digest(executables[0]) == digest(executables[1]), f"{name} {what}", "the executables differ")


def check_refused(tally, compiler, folder, source):
    gguf = Gguf(source)
    part_experts(gguf)
    up = next(tensor for tensor in gguf.tensors if tensor.name == "blk.0.ffn_up_exps.weight")
    up.dims[1] -= 1
    up.data = up.data[:row_bytes(up) * up.dims[1] * up.dims[2]]
    path = os.path.join(folder, "short.gguf")
    gguf.write(path)
    result = compiler(path, os.path.join(folder, "short.exe"))
    tally.check(result.code == 1 and "blk.0.ffn_up_exps.weight" in result.err and "found shape" in result.err,
                "experts of two sizes are refused", result.brief())


def main():
    parser = gmtest.arguments(__doc__)
    parser.add_argument("--goldens", required=True, help="the full set of goldens")
    args = parser.parse_args()
    tally, compiler = gmtest.start(args)
    plan = [("e2b-tiny", "q8_0", "qkv", stack_qkv), ("a4b-tiny", "bf16", "experts", part_experts),
            ("a4b-tiny", "q4_0", "experts", part_experts)]
    with gmtest.work_folder(args) as folder:
        for case, kind, what, change in plan:
            source = os.path.join(args.goldens, case, "gguf", f"{case}-{kind}.gguf")
            check_same(tally, compiler, folder, source, what, change)
        check_refused(tally, compiler, folder, os.path.join(args.goldens, "a4b-tiny", "gguf", "a4b-tiny-q4_0.gguf"))
    tally.finish()


main()
