#!/usr/bin/env python3
"""Mixture of experts: rows of a prompt are multiplied expert by expert; whatever they choose, the logits are the reference
interpreter's.

  same       every row chooses the same experts: the routers' scores are all equal, and ties go to the lower index
  different  one expert a row, which its token decides in the first layer: eight rows choose eight experts
Prompts of a row, of eight, of a chunk, and of a chunk and a tail of 1, 2 and 33 rows; in f32, and rounded to bf16, where
a matrix unit computes if there is one. The choices are made so that no rounding changes them.
"""
import json
import os
import shutil
import struct

import numpy as np

import gmtest

SOURCE = os.path.join(gmtest.GOLDENS, "a4b-tiny")
LAYERS = "model.language_model.layers."
TOKENS = [5, 77, 300, 611, 902, 1203, 1504, 1999]  # as many as experts, each of which one of them chooses
LIMITS = {"f32": 1e-5, "bf16": 0.02}  # of the largest logit; bf16 itself rounds by 2^-9, product by product


def to_bf16(values):
    """f32 -> the bits of bf16, to the nearest, ties to even."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")


def from_bf16(data):
    return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)


class Weights:
    """The tensors of a checkpoint of bf16, to be changed and written."""

    def __init__(self, folder):
        with open(os.path.join(folder, "model.safetensors"), "rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            self.header = json.loads(file.read(size))
            self.data = bytearray(file.read())

    def get(self, name):
        entry = self.header[name]
        return from_bf16(self.data[slice(*entry["data_offsets"])]).reshape(entry["shape"])

    def set(self, name, values):
        begin, end = self.header[name]["data_offsets"]
        data = to_bf16(np.broadcast_to(values, self.header[name]["shape"])).tobytes()
        assert len(data) == end - begin
        self.data[begin:end] = data

    def write(self, folder):
        header = json.dumps(self.header).encode()
        header += b" " * (-len(header) % 8)
        with open(os.path.join(folder, "model.safetensors"), "wb") as file:
            file.write(struct.pack("<Q", len(header)) + header + self.data)


def make_model(folder, name):
    """A checkpoint like SOURCE with other routers."""
    model = os.path.join(folder, name)
    shutil.copytree(SOURCE, model, ignore=shutil.ignore_patterns("expected", "model.safetensors"))
    config = gmtest.read_json(os.path.join(SOURCE, "config.json"))
    weights = Weights(SOURCE)
    for layer in range(config["text_config"]["num_hidden_layers"]):
        weights.set(f"{LAYERS}{layer}.router.proj.weight", 0.0)
    if name == "different":
        config["text_config"]["top_k_experts"] = 1
        # Without attention the first router sees the norm of the token's embedding: its direction.
        weights.set(f"{LAYERS}0.self_attn.o_proj.weight", 0.0)
        rows = weights.get("model.language_model.embed_tokens.weight")[TOKENS]
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        weights.set(f"{LAYERS}0.router.proj.weight", 16 * rows / weights.get(f"{LAYERS}0.router.scale"))
    weights.write(model)
    with open(os.path.join(model, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file)
    return model


def interpret(runner, model, ids, out, *flags):
    result = gmtest.run([runner, model, "--ids", gmtest.join_ids(ids), "-o", out, *flags])
    return (np.load(out), "") if result.code == 0 else (None, result.brief())


def check_choice(tally, runner, name, model, folder):
    """That the routers choose what the test is about."""
    p, why = interpret(runner, model, TOKENS, os.path.join(folder, "p.npy"), "--stop-after=layers.0.router_softmax")
    if p is None:
        return tally.check(False, f"{name} choice", why)
    if name == "same":
        return tally.check(p.min() == p.max(), f"{name}: all scores are equal", str(p))
    second = np.sort(p, axis=-1)[:, -2]
    ok = sorted(p.argmax(axis=-1)) == list(range(len(TOKENS))) and (p.max(axis=-1) > 1.05 * second).all()
    return tally.check(ok, f"{name}: each row chooses an expert of its own, clearly", str(p))


def judge(tally, what, got, why, want, limit):
    if got is None or np.squeeze(got).shape != np.squeeze(want).shape:
        tally.check(False, what, why or f"shape {got.shape}, expected {want.shape}")
        return
    apart = gmtest.deviation(got, want)
    tally.check(apart <= limit, what, f"rel {apart:.3g}, at most {limit:g}")


def check_prompts(tally, what, exe, ids, want, limit):
    """`want`: logits of all rows of the longest prompt; those of a shorter one are the first of them."""
    chunk = json.loads(gmtest.run([exe, "info", "--json"]).text)["entries"]["prefill_none"]["rows"]
    if not tally.check(chunk + 33 == len(ids), f"{what}: rows of a chunk", f"{chunk}, expected {len(ids) - 33}"):
        return
    for count in (1, len(TOKENS), chunk, chunk + 1, chunk + 2, chunk + 33):
        last, why = gmtest.logits(exe, ids[:count])
        judge(tally, f"{what} last of {count}", last, why, want[count - 1], limit)
        every, why = gmtest.logits(exe, ids[:count], "--all")
        judge(tally, f"{what} all of {count}", every, why, want[:count], limit)


def main():
    parser = gmtest.arguments(__doc__)
    parser.add_argument("--gemma-run", required=True, help="the reference interpreter")
    args = parser.parse_args()
    tally, compiler = gmtest.start(args)
    random = np.random.default_rng(1)
    with gmtest.work_folder(args) as folder:
        for name in ("same", "different"):
            model = make_model(folder, name)
            check_choice(tally, args.gemma_run, name, model, folder)
            ids = TOKENS + random.choice(TOKENS, 512 + 33 - len(TOKENS)).tolist()
            want, why = interpret(args.gemma_run, model, ids, os.path.join(folder, "want.npy"), "--entry=all")
            if want is None:
                tally.check(False, f"{name} interpreter", why)
                continue
            for mode, limit in LIMITS.items():
                exe = compiler.build(tally, f"{name} {mode}", model, os.path.join(folder, f"{name}-{mode}"),
                                     "--context=640", *gmtest.MODE_FLAGS[mode])
                if exe:
                    check_prompts(tally, f"{name} {mode}", exe, ids, want, limit)
    tally.finish()


main()
