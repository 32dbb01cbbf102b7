#!/usr/bin/env python3
"""Compiles the tiny checkpoints of test/Inputs/goldens and holds their logits and greedy ids against the reference.

Bounds, from each case's meta.json (`measured`: what the reference implementation itself loses that way):
  f32   max|d| <= 1e-3 max|logit|, and greedy ids up to the first margin below 0.01
  bf16  cosine >= min(0.9998, 1 - 2 (1 - hf)), KL <= max(1e-3, 2 hf), hf = the reference's own BF16 run
  q8    KL <= 3 max(int8_row_embed, 1e-3)          q4    KL <= 1.5 max(int4_g32, int4_g128)
"""
import os

import numpy as np

import gmtest


def bounds(mode, measured):
    if mode == "f32":
        return {"rel": 1e-3}
    if mode == "bf16":
        reference = measured["hf_bf16_eager"]
        return {"cos": min(0.9998, 1 - 2 * (1 - reference["cosine"])), "kl": max(1e-3, 2 * reference["kl_mean"])}
    if mode == "q8":
        return {"kl": 3 * max(measured["int8_row_embed"]["kl_mean"], 1e-3)}
    return {"kl": 1.5 * max(measured["int4_g32"]["kl_mean"], measured["int4_g128"]["kl_mean"])}


def judge(tally, what, got, why, want, limit):
    if got is None:
        tally.check(False, what, why)
        return
    if np.squeeze(got).shape != np.squeeze(want).shape:
        tally.check(False, what, f"shape {got.shape}, expected {want.shape}")
        return
    found = gmtest.compare(got, want)
    ok = (found["rel"] <= limit.get("rel", np.inf) and found["cos"] >= limit.get("cos", -np.inf)
          and found["kl"] <= limit.get("kl", np.inf))
    tally.check(ok, what, " ".join(f"{k} {v:.3g}" for k, v in found.items()) + "  limit "
                + " ".join(f"{k} {v:.4g}" for k, v in limit.items()))


def check_rows(tally, what, exe, prompt, want, limit):
    got, why = gmtest.logits(exe, prompt["ids"], "--all")
    if got is not None and (got.ndim != 2 or got.shape[0] != len(prompt["ids"])):
        got, why = None, f"shape {got.shape}, expected [{len(prompt['ids'])}, vocabulary]"
    judge(tally, what, got, why, want, limit)


def check_greedy(tally, what, exe, prompt):
    want = prompt["greedy"][:gmtest.trusted_prefix(prompt["greedy_margin"])]
    got, why = gmtest.generate(exe, prompt["ids"], len(prompt["greedy"]))
    if got is None:
        tally.check(False, what, why)
        return
    tally.check(got[:len(want)] == want and len(got) == len(prompt["greedy"]), what, f"got {got} expected {want}")


def check_case(tally, compiler, folder, case, mode):
    source = os.path.join(gmtest.GOLDENS, case)
    expected = os.path.join(source, "expected")
    prompts = gmtest.read_json(os.path.join(expected, "prompts.json"))
    last = gmtest.read_tensors(os.path.join(expected, "logits_last.safetensors"))
    rows_file = os.path.join(expected, "logits_rows.safetensors")
    text_only = not os.path.exists(rows_file)  # the multimodal case: one prompt, f32 only
    if text_only and mode != "f32":
        return
    rows = {} if text_only else gmtest.read_tensors(rows_file)
    measured = {} if text_only else gmtest.read_json(os.path.join(expected, "meta.json"))["measured"]
    limit = bounds(mode, measured)

    what = f"{case} {mode}"
    exe = compiler.build(tally, what, source, os.path.join(folder, f"{case}-{mode}"), *gmtest.MODE_FLAGS[mode])
    if not exe:
        return
    for prompt in prompts:
        name = prompt["name"]
        if mode == "f32":
            got, why = gmtest.logits(exe, prompt["ids"])
            judge(tally, f"{what} {name} last", got, why, last[name], limit)
        if name in rows:
            check_rows(tally, f"{what} {name} rows", exe, prompt, rows[name], limit)
        if mode == "f32" and prompt.get("greedy"):
            check_greedy(tally, f"{what} {name} greedy", exe, prompt)


def main():
    cases = sorted(os.listdir(gmtest.GOLDENS))
    parser = gmtest.arguments(__doc__)
    parser.add_argument("--only", default=",".join(cases), help="cases, separated by commas")
    parser.add_argument("--modes", default=",".join(gmtest.MODE_FLAGS))
    args = parser.parse_args()
    for given, known in ((args.only, cases), (args.modes, gmtest.MODE_FLAGS)):
        for name in given.split(","):
            if name not in known:
                parser.error(f"{name!r} is none of {', '.join(known)}")
    tally, compiler = gmtest.start(args)
    with gmtest.work_folder(args) as folder:
        for case in args.only.split(","):
            for mode in args.modes.split(","):
                check_case(tally, compiler, folder, case, mode)
    tally.finish()


if __name__ == "__main__":
    main()
