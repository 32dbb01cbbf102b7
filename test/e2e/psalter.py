#!/usr/bin/env python3
"""The trained model that comes with the project: perplexity, greedy text and logits against its reference.

  f32  perplexity within 0.1 % of the reference's, greedy ids up to the first margin below 0.01, the text of one prompt
       whose margins are all larger, and the logits after the first window of the held-out text
  q8   within 0.6 % and q4 within 3 % of the f32 reference: unlike the random goldens this tells good weights from bad;
       kv-q8, caches of 8 bits, within 0.3 %, and rounded to bf16, as a matrix unit reads them, within 0.6 %
"""
import json
import os
import re

import numpy as np

import gmtest

HELDOUT = os.path.join(gmtest.PSALTER, "heldout.txt")
WINDOW, CHUNKS = 512, 8
MODES = {  # flags, and the largest relative distance of the perplexity from the f32 reference
    "f32": (gmtest.MODE_FLAGS["f32"], 0.001),
    "q8": (["--quantize=q8"], 0.006),
    "q4": (["--quantize=q4"], 0.03),
    "kv-q8": (["--compute=f32", "--kv=q8"], 0.003),
    "kv-q8-bf16": (["--compute=bf16", "--kv=q8"], 0.006),
}


def perplexity(exe, *flags):
    """(figure, "") or (None, why not): the last number that `perplexity` prints."""
    result = gmtest.run([exe, "perplexity", "-f", HELDOUT, "--ctx", WINDOW, "--chunks", CHUNKS, *flags], timeout=1200)
    if result.code != 0:
        return None, result.brief()
    numbers = re.findall(r"\d+\.\d+|\d+", result.text)
    return (float(numbers[-1]), "") if numbers else (None, f"no number in {result.text[-200:]!r}")


def check_perplexity(tally, exe, mode, want, allowed, *flags):
    got, why = perplexity(exe, *flags)
    what = " ".join([mode, "perplexity", *flags])
    if got is None:
        tally.check(False, what, why)
        return
    distance = abs(got / want - 1)
    tally.check(distance <= allowed, what,
                f"{got:.4f}, reference {want:.4f}, {100 * distance:.3f} % apart, at most {100 * allowed:g} %")


def check_greedy(tally, exe, prompts, *flags):
    for prompt in prompts:
        count = gmtest.trusted_prefix(prompt["greedy_margin"])
        got, why = gmtest.generate(exe, prompt["ids"], len(prompt["greedy"]), *flags)
        what = " ".join([f"f32 greedy {prompt['text']!r}", *flags])
        if got is None:
            tally.check(False, what, why)
            continue
        tally.check(got[:count] == prompt["greedy"][:count] and len(got) == len(prompt["greedy"]), what,
                    f"got {got} expected {prompt['greedy'][:count]}")


def check_text(tally, exe, prompts, *flags):
    """Text in, text on: tokenizer, BOS rule, decoding and detokenizing in one, on stdout and nothing else there."""
    sure = [p for p in prompts if gmtest.trusted_prefix(p["greedy_margin"]) == len(p["greedy"])]
    tally.check(bool(sure), "a prompt without a close call", "every prompt of expected.json has one")
    for prompt in sure:
        result = gmtest.run([exe, "-p", prompt["text"], "-n", len(prompt["greedy"]), "--temp", "0", "--ignore-eos",
                             *flags])
        got, want = result.text.strip(), prompt["decoded"].strip()
        tally.check(result.code == 0 and got == want, " ".join([f"f32 text {prompt['text']!r}", *flags]),
                    f"{result.brief()} got {got[:200]!r} expected {want[:200]!r}")


def heldout_ids(exe):
    """Ids of the whole held-out text, without BOS, by the executable's own tokenizer."""
    with open(HELDOUT, encoding="utf-8") as file:
        line = json.dumps({"text": file.read()}) + "\n"
    result = gmtest.run([exe, "tokenize"], stdin=line.encode())
    try:
        return json.loads(result.text)["ids"], ""
    except (ValueError, KeyError, TypeError):
        return None, result.brief()


def check_window_logits(tally, exe):
    what = "f32 logits after the first window"
    ids, why = heldout_ids(exe)
    if ids is None:
        tally.check(False, what, f"tokenize: {why}")
        return
    want = np.load(os.path.join(gmtest.PSALTER, "expected_logits_w0_last.npy")).reshape(-1)
    got, why = gmtest.logits(exe, [2] + ids[:WINDOW - 1])
    if got is None or got.size != want.size:
        tally.check(False, what, why or f"{got.size} values, expected {want.size}")
        return
    apart = gmtest.deviation(got, want)
    tally.check(apart <= 1e-3, what, f"rel {apart:.3g}, at most 1e-3")


def main():
    parser = gmtest.arguments(__doc__)
    parser.add_argument("--modes", default=",".join(MODES))
    args = parser.parse_args()
    expected = gmtest.read_json(os.path.join(gmtest.PSALTER, "expected.json"))
    tally, compiler = gmtest.start(args)
    with gmtest.work_folder(args) as folder:
        for mode in args.modes.split(","):
            flags, allowed = MODES[mode]
            exe = compiler.build(tally, f"psalter {mode}", gmtest.PSALTER, os.path.join(folder, f"psalter-{mode}"),
                                 *flags)
            if not exe:
                continue
            check_perplexity(tally, exe, mode, expected["perplexity_ctx512_chunks8_f32"], allowed)
            if mode == "f32":
                check_greedy(tally, exe, expected["prompts"])
                check_text(tally, exe, expected["prompts"])
                check_window_logits(tally, exe)
    tally.finish()


if __name__ == "__main__":
    main()
