#!/usr/bin/env python3
"""Write the seeds of the tokenizer fuzz targets into test/fuzz/corpus/: a whole small tokenizer in each format.

usage: make_tokenizer_seeds.py [--out DIR]        standard library only
"""
import argparse
import json
import os
import struct

UNDER = "\u2581"
NAMED = ["<pad>", "<eos>", "<bos>", "<unk>"]
BYTES = [f"<0x{b:02X}>" for b in range(256)]
# (piece, score, type): 1 normal, 3 control, 4 user-defined, 5 unused
WORDS = [("h", -90, 1), ("e", -91, 1), ("l", -92, 1), ("o", -93, 1), (UNDER, -94, 1), ("he", -1, 1), ("ll", -2, 1),
         ("hell", -3, 1), ("hello", -4, 1), ("lll", -2, 1), (UNDER * 2, 0, 4), ("\n\n", 0, 4), ("<|turn>", 0, 4),
         ("<mask>", 0, 3), ("<unused0>", 0, 5)]
PIECES = [(p, 0, 2 if p == "<unk>" else 3) for p in NAMED] + [(p, 0, 6) for p in BYTES] + WORDS
MERGES = [("h", "e"), ("l", "l"), ("he", "ll"), ("hell", "o"), ("ll", "l"), (UNDER, UNDER)]


def tokenizer_json():
    ids = {p: i for i, (p, _, _) in enumerate(PIECES)}
    special = NAMED + ["<|turn>", "<mask>"]
    return json.dumps({
        "added_tokens": [{"id": ids[p], "content": p, "special": True, "normalized": False} for p in special],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": UNDER},
        "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious"},
        "model": {"type": "BPE", "unk_token": "<unk>", "byte_fallback": True, "vocab": ids,
                  "merges": MERGES[:-1] + [" ".join(MERGES[-1])]}}, ensure_ascii=False).encode()


def varint(n):
    return bytes([n & 127 | 128]) + varint(n >> 7) if n > 127 else bytes([n])


def block(field, data):
    return varint(field << 3 | 2) + varint(len(data)) + data


def number(field, value):
    return varint(field << 3) + varint(value)


def tokenizer_model():
    out = b"".join(block(1, block(1, p.encode()) + varint(2 << 3 | 5) + struct.pack("<f", s) + number(3, t))
                   for p, s, t in PIECES)
    out += block(2, number(3, 2) + number(35, 1) + block(46, b"<bos>") + block(47, b"<eos>"))
    return out + block(3, block(1, b"identity") + number(3, 0) + number(4, 0) + number(5, 1))


def text(s):
    data = s.encode()
    return struct.pack("<Q", len(data)) + data


def gguf(model):
    scalar = lambda kind, code, value: struct.pack("<I" + code, kind, value)
    array = lambda kind, items: struct.pack("<IIQ", 9, kind, len(items)) + b"".join(items)
    keys = {
        "general.architecture": struct.pack("<I", 8) + text("gemma3" if model == "llama" else "gemma4"),
        "tokenizer.ggml.model": struct.pack("<I", 8) + text(model),
        "tokenizer.ggml.tokens": array(8, [text(p) for p, _, _ in PIECES]),
        "tokenizer.ggml.token_type": array(5, [struct.pack("<i", t) for _, _, t in PIECES]),
        "tokenizer.ggml.bos_token_id": scalar(4, "I", 2),
        "tokenizer.ggml.eos_token_id": scalar(4, "I", 1),
        "tokenizer.ggml.unknown_token_id": scalar(4, "I", 3),
        "tokenizer.ggml.padding_token_id": scalar(4, "I", 0),
        "tokenizer.ggml.add_bos_token": scalar(7, "?", True),
        "tokenizer.ggml.add_space_prefix": scalar(7, "?", False)}
    if model == "llama":
        keys["tokenizer.ggml.scores"] = array(6, [struct.pack("<f", s) for _, s, _ in PIECES])
    else:
        keys["tokenizer.ggml.merges"] = array(8, [text(a + " " + b) for a, b in MERGES])
    out = b"GGUF" + struct.pack("<IQQ", 3, 0, len(keys)) + b"".join(text(k) + v for k, v in keys.items())
    return out + bytes(-len(out) % 32)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus"))
    out = parser.parse_args().out
    seeds = {"tokenizer-json/small.json": tokenizer_json(), "tokenizer-model/small.model": tokenizer_model(),
             "tokenizer-gguf/scores.gguf": gguf("llama"), "tokenizer-gguf/merges.gguf": gguf("gemma4")}
    for name, data in seeds.items():
        os.makedirs(os.path.dirname(f"{out}/{name}"), exist_ok=True)
        with open(f"{out}/{name}", "wb") as file:
            file.write(data)


main()
