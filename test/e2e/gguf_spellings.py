#!/usr/bin/env python3
"""GGUF files that store one model in other tensors compile to the very same executable.

  qkv      the rows of q, k and v stacked in attn_qkv
  experts  ffn_gate_up_exps apart, as ffn_gate_exps and ffn_up_exps

and what contradicts itself, is incomplete, or holds what nothing would read is refused by name.
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


def named(gguf, name):
    return next(tensor for tensor in gguf.tensors if tensor.name == name)


def drop(gguf, name):
    gguf.tensors.remove(named(gguf, name))


def shorten(gguf, name, axis, by=1):
    tensor = named(gguf, name)
    tensor.dims[axis] -= by
    tensor.data = tensor.data[:tensor.size]


def copy_as(gguf, name, copy):
    tensor = named(gguf, name)
    gguf.tensors.append(Tensor(copy, list(tensor.dims), tensor.kind, tensor.data))


def split_short(gguf):
    part_experts(gguf)
    shorten(gguf, "blk.0.ffn_up_exps.weight", 1)


def split_half(gguf):
    part_experts(gguf)
    drop(gguf, "blk.1.ffn_gate_exps.weight")


def both_experts(gguf):
    copy_as(gguf, "blk.0.ffn_gate_up_exps.weight", "blk.0.ffn_gate_exps.weight")


REFUSED = [  # case, change, what the message names
    ("a4b-tiny", "experts of two sizes", split_short, ["blk.0.ffn_up_exps.weight: found shape"]),
    ("a4b-tiny", "experts without their gate", split_half, ["blk.1.ffn_gate_exps.weight: missing"]),
    ("a4b-tiny", "experts together and apart", both_experts, ["blk.0.ffn_gate_exps.weight: found beside"]),
    ("a4b-tiny", "q beside qkv", lambda g: copy_as(g, "blk.0.attn_q.weight", "blk.0.attn_qkv.weight"),
     ["blk.0.attn_q.weight: found beside blk.0.attn_qkv.weight"]),
    ("a4b-tiny", "no rope_freqs", lambda g: drop(g, "rope_freqs.weight"), ["rope_freqs.weight: missing"]),
    ("a4b-tiny", "a layer too many", lambda g: copy_as(g, "blk.0.attn_q.weight", "blk.6.attn_q.weight"),
     ["blk.6.attn_q.weight: a tensor of layer 6", "has 6 layers"]),
    ("a4b-tiny", "a bias", lambda g: copy_as(g, "blk.0.attn_norm.weight", "blk.0.attn_q.bias"),
     ["blk.0.attn_q.bias: a bias"]),
    ("e2b-tiny", "experts of a dense model", lambda g: copy_as(g, "blk.0.ffn_up.weight", "blk.0.ffn_up_exps.weight"),
     ["blk.0.ffn_up_exps.weight: experts"]),
    ("e2b-tiny", "too few rows per layer", lambda g: shorten(g, "per_layer_token_embd.weight", 1),
     ["per_layer_token_embd.weight: found 2047 rows", "2048"]),
]


def check_refused(tally, compiler, folder, goldens):
    for case, what, change, messages in REFUSED:
        gguf = Gguf(os.path.join(goldens, case, "gguf", f"{case}-q8_0.gguf"))
        change(gguf)
        path, out = os.path.join(folder, "refused.gguf"), os.path.join(folder, "refused.exe")
        gguf.write(path)
        result = compiler(path, out)
        ok = result.code == 1 and all(message in result.err for message in messages) and not os.path.exists(out)
        tally.check(ok, f"refused: {what}", result.brief())


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
        check_refused(tally, compiler, folder, args.goldens)
    tally.finish()


main()
