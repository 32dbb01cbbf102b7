#!/usr/bin/env python3
"""Every model of the family at its real size, up to the plan: GGUF files whose tensors are holes, `--estimate`.

  kv      the cache at the model's longest context is gemma4.md 1.4's arithmetic (BF16, K and V, owning layers only)
  read    bytes read per decoded token, Q4_0 (shared/bench/README.md)
  refuse  a context larger than memory is said with both numbers, by --estimate and by the compiler
"""
import os
import re
import resource
import struct

import gmtest
import ggufile
from ggufile import Tensor

VOCAB, SLIDING, FULL = 262144, 256, 512  # tokens; elements of a head
F32, Q4_0, BF16 = 0, 2, 30
SHAPES = {  # gemma4.md 1.1
    "e2b": dict(hidden=1536, layers=35, heads=8, kv=1, kv_full=1, inner=6144, shared=20, wide=True, ple=256, window=512,
                period=5, context=131072, read=1.303),
    "e4b": dict(hidden=2560, layers=42, heads=8, kv=2, kv_full=2, inner=10240, shared=18, ple=256, window=512,
                period=6, context=131072, read=2.654),
    "12b": dict(hidden=3840, layers=48, heads=16, kv=8, kv_full=1, inner=15360, window=1024, period=6, context=262144,
                read=6.701),
    "26b-a4b": dict(hidden=2816, layers=30, heads=16, kv=8, kv_full=2, inner=2112, window=1024, period=6,
                    context=262144, experts=128, expert_inner=704, read=2.190),
    "31b": dict(hidden=5376, layers=60, heads=32, kv=16, kv_full=4, inner=21504, window=1024, period=6, context=262144,
                read=17.27),
}


def is_full(shape, layer):
    return layer % shape["period"] == shape["period"] - 1


def tensors(shape):
    hidden, layers, ple = shape["hidden"], shape["layers"], shape.get("ple", 0)

    def matrix(name, rows, columns, *matrices, kind=Q4_0):
        return Tensor(name, [columns, rows, *matrices], kind)

    def vector(name, size):
        return Tensor(name, [size], F32)

    yield matrix("token_embd.weight", VOCAB, hidden)
    yield vector("output_norm.weight", hidden)
    pairs = FULL // 2  # a quarter of them rotates
    yield Tensor("rope_freqs.weight", [pairs], F32, struct.pack(f"<{pairs}f", *[1.0 if i < pairs // 4 else 1e30
                                                                                for i in range(pairs)]))
    if ple:
        yield matrix("per_layer_token_embd.weight", VOCAB, ple * layers)
        yield matrix("per_layer_model_proj.weight", ple * layers, hidden, kind=BF16)
        yield vector("per_layer_proj_norm.weight", ple)
    for i in range(layers):
        block = f"blk.{i}."
        full, owns = is_full(shape, i), i < layers - shape.get("shared", 0)
        head, kv = (FULL, shape["kv_full"]) if full else (SLIDING, shape["kv"])
        inner = shape["inner"] * (2 if shape.get("wide") and not owns else 1)
        yield matrix(block + "attn_q.weight", shape["heads"] * head, hidden)
        yield matrix(block + "attn_output.weight", hidden, shape["heads"] * head)
        yield vector(block + "attn_q_norm.weight", head)
        if owns:
            yield matrix(block + "attn_k.weight", kv * head, hidden)
            yield vector(block + "attn_k_norm.weight", head)
            if ple or not full:  # the larger models take V from K in their full layers
                yield matrix(block + "attn_v.weight", kv * head, hidden)
        for name, rows, columns in (("gate", inner, hidden), ("up", inner, hidden), ("down", hidden, inner)):
            yield matrix(f"{block}ffn_{name}.weight", rows, columns)
        norms = ["attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"]
        if "experts" in shape:
            experts, small = shape["experts"], shape["expert_inner"]
            norms += ["pre_ffw_norm_2", "post_ffw_norm_1", "post_ffw_norm_2"]
            yield matrix(block + "ffn_gate_inp.weight", experts, hidden, kind=F32)
            yield vector(block + "ffn_gate_inp.scale", hidden)
            yield matrix(block + "ffn_gate_up_exps.weight", 2 * small, hidden, experts)
            yield matrix(block + "ffn_down_exps.weight", hidden, small, experts)
            yield vector(block + "ffn_down_exps.scale", experts)
        if ple:
            norms += ["post_norm"]
            yield matrix(block + "inp_gate.weight", ple, hidden)
            yield matrix(block + "proj.weight", hidden, ple)
        for norm in norms:
            yield vector(f"{block}{norm}.weight", hidden)
        yield vector(block + "layer_output_scale.weight", 1)


def metadata(shape):
    """The keys and how many they are."""
    u32, f32, boolean, string = 4, 6, 7, ggufile.STRING
    layers = range(shape["layers"])
    pieces = ["<pad>", "<eos>", "<bos>", "<unk>"] + [f"<0x{b:02X}>" for b in range(256)]
    pieces += ["a", "b", "ab"]
    kinds = [3, 3, 3, 2] + [6] * 256 + [1] * 3
    kinds += [1] * (VOCAB - len(pieces))
    pieces += [f"t{i}" for i in range(VOCAB - len(pieces))]
    keys = {
        "general.architecture": (string, "gemma4"),
        "tokenizer.ggml.model": (string, "gemma4"), "tokenizer.ggml.tokens": (string, pieces),
        "tokenizer.ggml.token_type": (5, kinds), "tokenizer.ggml.merges": (string, ["a b"]),
        "tokenizer.ggml.bos_token_id": (u32, 2), "tokenizer.ggml.eos_token_id": (u32, 1),
        "tokenizer.ggml.unknown_token_id": (u32, 3), "tokenizer.ggml.padding_token_id": (u32, 0),
    }
    model = {
        "block_count": (u32, shape["layers"]), "embedding_length": (u32, shape["hidden"]),
        "context_length": (u32, shape["context"]), "attention.head_count": (u32, shape["heads"]),
        "attention.head_count_kv": (u32, [shape["kv_full" if is_full(shape, i) else "kv"] for i in layers]),
        "attention.key_length": (u32, FULL), "attention.value_length": (u32, FULL),
        "attention.key_length_swa": (u32, SLIDING), "attention.value_length_swa": (u32, SLIDING),
        "attention.sliding_window": (u32, shape["window"]),
        "attention.sliding_window_pattern": (boolean, [not is_full(shape, i) for i in layers]),
        "attention.shared_kv_layers": (u32, shape.get("shared", 0)),
        "attention.layer_norm_rms_epsilon": (f32, 1e-6),
        "feed_forward_length": (u32, [shape["inner"] * (2 if shape.get("wide") and
                                                        i >= shape["layers"] - shape["shared"] else 1) for i in layers]),
        "embedding_length_per_layer_input": (u32, shape.get("ple", 0)),
    }
    if "experts" in shape:
        model.update({"expert_count": (u32, shape["experts"]), "expert_used_count": (u32, 8),
                      "expert_feed_forward_length": (u32, shape["expert_inner"])})
    keys.update({f"gemma4.{name}": what for name, what in model.items()})
    return len(keys), b"".join(ggufile.string(key) + ggufile.value(*what) for key, what in keys.items())


def cache_bytes(shape):
    """gemma4.md 1.4"""
    owning = range(shape["layers"] - shape.get("shared", 0))
    full = sum(is_full(shape, i) for i in owning)
    return 4 * (full * shape["kv_full"] * FULL * shape["context"]
                + (len(owning) - full) * shape["kv"] * SLIDING * shape["window"])


def megabytes(text, row):
    found = re.search(rf"^{re.escape(row)} +([0-9.]+) MB$", text, re.MULTILINE)
    return float(found.group(1)) if found else float("nan")


def check_shape(tally, compiler, path, name, shape):
    result = gmtest.run([compiler.gemmac, path, "--estimate", f"--context={shape['context']}"])
    if not tally.check(result.code == 0, f"{name} --estimate", result.brief()):
        return
    # Sliding caches hold one chunk of new tokens besides the window.
    cache, want = megabytes(result.text, "KV cache"), cache_bytes(shape) / 1e6
    tally.check(want <= cache <= 1.02 * want, f"{name} kv", f"{cache} MB, gemma4.md 1.4 {want:.3f} MB")
    read = megabytes(result.text, "read per decoded token") / 1e3
    tally.check(abs(read / shape["read"] - 1) < 0.02, f"{name} read", f"{read} GB, expected {shape['read']} GB")


def check_memory(tally, compiler, path, shape):
    """Under a limit that the mapped file fits and the cache of the longest context in f32 does not."""
    limit = 8 << 30

    def limited():
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    there = min(limit, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    if there < limit:
        tally.skip("memory", "this machine has less than the limit that this checks")
        return
    numbers = re.compile(rf"--context: {shape['context']} tokens need ([0-9.]+) GB .* this machine has "
                         rf"{limit / 1e9:.3f} GB")
    for what, flags in (("--estimate", ["--estimate"]), ("compiler", ["--emit=step", "-o", "/dev/null"])):
        result = gmtest.run([compiler.gemmac, path, "--kv=f32", f"--context={shape['context']}", *flags],
                            preexec_fn=limited)
        said = numbers.search(result.err)
        tally.check(result.code == 0 and said and float(said.group(1)) * 1e9 >= 2 * cache_bytes(shape),
                    f"{what} says that a context does not fit", result.brief())
        result = gmtest.run([compiler.gemmac, path, "--context=8192", *flags], preexec_fn=limited)
        tally.check(result.code == 0 and "--context" not in result.err, f"{what} says nothing of one that fits",
                    result.brief())


def main():
    parser = gmtest.arguments(__doc__)
    parser.add_argument("--only", default=",".join(SHAPES), help="shapes, separated by commas")
    args = parser.parse_args()
    tally, compiler = gmtest.start(args)
    with gmtest.work_folder(args) as folder:
        for name in args.only.split(","):
            path = os.path.join(folder, f"{name}.gguf")
            ggufile.write(path, *metadata(SHAPES[name]), list(tensors(SHAPES[name])))
            check_shape(tally, compiler, path, name, SHAPES[name])
            if name == "12b":
                check_memory(tally, compiler, path, SHAPES[name])
            os.remove(path)
    tally.finish()


if __name__ == "__main__":
    main()
