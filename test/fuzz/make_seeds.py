#!/usr/bin/env python3
"""Write the seeds of the fuzz targets into test/fuzz/corpus/: a whole small tokenizer in each format, a whole small
model in GGUF, shards and their index.

usage: make_seeds.py [--out DIR]        standard library only
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


def scalar(kind, code, value):
    return struct.pack("<I" + code, kind, value)


def u32(value):
    return scalar(4, "I", value)


def array(kind, items):
    return struct.pack("<IIQ", 9, kind, len(items)) + b"".join(items)


def tokenizer_keys(model):
    keys = {
        "general.architecture": struct.pack("<I", 8) + text("gemma3" if model == "llama" else "gemma4"),
        "tokenizer.ggml.model": struct.pack("<I", 8) + text(model),
        "tokenizer.ggml.tokens": array(8, [text(p) for p, _, _ in PIECES]),
        "tokenizer.ggml.token_type": array(5, [struct.pack("<i", t) for _, _, t in PIECES]),
        "tokenizer.ggml.bos_token_id": u32(2),
        "tokenizer.ggml.eos_token_id": u32(1),
        "tokenizer.ggml.unknown_token_id": u32(3),
        "tokenizer.ggml.padding_token_id": u32(0),
        "tokenizer.ggml.add_bos_token": scalar(7, "?", True),
        "tokenizer.ggml.add_space_prefix": scalar(7, "?", False)}
    if model == "llama":
        keys["tokenizer.ggml.scores"] = array(6, [struct.pack("<f", s) for _, s, _ in PIECES])
    else:
        keys["tokenizer.ggml.merges"] = array(8, [text(a + " " + b) for a, b in MERGES])
    return keys


F32, Q4_0, Q8_0 = 0, 2, 8
BLOCK_BYTES = {F32: 4 * 32, Q4_0: 18, Q8_0: 34}


def gguf(keys, tensors=()):
    """tensors: (name, shape with the outermost first, type); every element of F32 is 1, every block is 0x01s."""
    infos, data = b"", b""
    for name, shape, kind in tensors:
        elements = 1
        for n in shape:
            elements *= n
        infos += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *reversed(shape), kind, len(data))
        data += struct.pack("<f", 1) * elements if kind == F32 else b"\1" * (elements // 32 * BLOCK_BYTES[kind])
        data += bytes(-len(data) % 32)
    out = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys)) + b"".join(text(k) + v for k, v in keys.items())
    out += infos
    return out + bytes(-len(out) % 32) + data


def model_gguf(arch):
    """Two layers (one of each kind) of width 32; gemma4 with experts apart and K = V."""
    hidden, head, heads, inner, experts = 32, 32, 2, 32, 2
    gemma4 = arch == "gemma4"
    keys = tokenizer_keys("gemma4" if gemma4 else "llama")
    sizes = {"block_count": 2, "embedding_length": hidden, "context_length": 64, "feed_forward_length": inner,
             "attention.head_count": heads, "attention.head_count_kv": 1, "attention.key_length": head,
             "attention.value_length": head, "attention.sliding_window": 16}
    rotation = [("rope_freqs.weight", [head // 2], F32)] if gemma4 else []
    if gemma4:
        sizes.update({"expert_count": experts, "expert_used_count": 1, "expert_feed_forward_length": inner})
        keys["gemma4.attention.sliding_window_pattern"] = array(7, [b"\1", b"\0"])
        keys["tokenizer.chat_template"] = struct.pack("<I", 8) + text("{% for m in messages %}{{ m.content }}{% endfor %}")
    else:
        keys["gemma3.attention.sliding_window_pattern"] = u32(2)
        keys["gemma3.rope.scaling.type"] = struct.pack("<I", 8) + text("linear")
        keys["gemma3.rope.scaling.factor"] = scalar(6, "f", 8)
    keys.update({f"{arch}.{name}": u32(value) for name, value in sizes.items()})
    keys[f"{arch}.attention.layer_norm_rms_epsilon"] = scalar(6, "f", 1e-6)
    tensors = [("token_embd.weight", [len(PIECES), hidden], Q4_0), ("output_norm.weight", [hidden], F32), *rotation]
    for i in range(2):
        block = f"blk.{i}."
        matrices = {"attn_q": [heads * head, hidden], "attn_k": [head, hidden], "attn_output": [hidden, heads * head],
                    "ffn_gate": [inner, hidden], "ffn_up": [inner, hidden], "ffn_down": [hidden, inner]}
        if not gemma4 or i == 0:
            matrices["attn_v"] = [head, hidden]
        norms = {"attn_norm": hidden, "post_attention_norm": hidden, "ffn_norm": hidden, "post_ffw_norm": hidden,
                 "attn_q_norm": head, "attn_k_norm": head}
        if gemma4:
            matrices.update({"ffn_gate_exps": [experts, inner, hidden], "ffn_up_exps": [experts, inner, hidden],
                             "ffn_down_exps": [experts, hidden, inner]})
            norms.update({"layer_output_scale": 1, "pre_ffw_norm_2": hidden, "post_ffw_norm_1": hidden,
                          "post_ffw_norm_2": hidden})
            tensors += [(block + "ffn_gate_inp.weight", [experts, hidden], F32),
                        (block + "ffn_gate_inp.scale", [hidden], F32),
                        (block + "ffn_down_exps.scale", [experts], F32)]
        tensors += [(f"{block}{name}.weight", shape, Q8_0) for name, shape in matrices.items()]
        tensors += [(f"{block}{name}.weight", [size], F32) for name, size in norms.items()]
    return gguf(keys, tensors)


def safetensors(tensors):
    """tensors: name -> (dtype, shape, bytes)"""
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    head = json.dumps(header).encode()
    return struct.pack("<Q", len(head)) + head + data


def shard():
    return safetensors({"a.weight": ("BF16", [2, 3], bytes(12)), "b": ("F32", [], bytes(4)), "c": ("I64", [0], b"")})


def index():
    """What the target's two shards hold: see safetensors.cpp."""
    return json.dumps({"metadata": {"total_size": 12},
                       "weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}).encode()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus"))
    out = parser.parse_args().out
    seeds = {"tokenizer-json/small.json": tokenizer_json(), "tokenizer-model/small.model": tokenizer_model(),
             "tokenizer-gguf/scores.gguf": gguf(tokenizer_keys("llama")),
             "tokenizer-gguf/merges.gguf": gguf(tokenizer_keys("gemma4")),
             "gguf/gemma3.gguf": model_gguf("gemma3"), "gguf/gemma4.gguf": model_gguf("gemma4"),
             "safetensors/shard.safetensors": shard(), "safetensors/index.json": index()}
    for name, data in seeds.items():
        os.makedirs(os.path.dirname(f"{out}/{name}"), exist_ok=True)
        with open(f"{out}/{name}", "wb") as file:
            file.write(data)


main()
