#!/usr/bin/env python3
"""What must not change a result, does not.

  bytes    two compilations of the same input with the same flags give the same file, also from another folder
  workers  -t 1, 2 and 7 give bitwise the same logits, in every mode
  fusion   --fuse=none, --fuse=all and --fuse=all,-NAME agree within 1e-5 of the largest logit, in f32
  roads    in f32, of 100 tokens, and of 450 and 513, of which attention sees more than one part: the last row of
           `logits --all` is bitwise `logits`, which computes it as a single row; what decoding writes token by token is
           what a prefill of the same tokens predicts
  sampling tokens drawn from the largest logits (fusion `top`) are those drawn from all, whatever the parameters and the
           number of workers
"""
import hashlib
import json
import os

import numpy as np

import gmtest

FUSIONS = ["norm", "qkv", "qknorm-rope-kv", "attention", "mlp", "residual", "ple", "router", "softcap", "kv-share", "dead-tokens", "top"]
FUSION_TOLERANCE = 1e-5
WORKERS = [1, 2, 7]


def golden(case):
    return os.path.join(gmtest.GOLDENS, case)


def prompt_of(case, name="rand100"):
    prompts = gmtest.read_json(os.path.join(golden(case), "expected", "prompts.json"))
    return next(p["ids"] for p in prompts if p["name"] == name)


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def check_bytes(tally, compiler, folder):
    inputs = [("e2b-tiny", golden("e2b-tiny"), []), ("a4b-tiny q4", golden("a4b-tiny"), ["--quantize=q4"]),
              ("psalter q8", gmtest.PSALTER, ["--quantize=q8"])]
    elsewhere = os.path.join(folder, "elsewhere")
    os.makedirs(elsewhere, exist_ok=True)
    for what, model, flags in inputs:
        first = compiler.build(tally, f"bytes {what} first", model, os.path.join(folder, "first"), *flags)
        result = compiler(os.path.relpath(model, elsewhere), "second", *flags, cwd=elsewhere)
        second = os.path.join(elsewhere, "second")
        if not tally.check(result.code == 0 and os.path.exists(second), f"bytes {what} second", result.brief()):
            continue
        if first:
            tally.check(digest(first) == digest(second), f"bytes {what}",
                        f"differ: {os.path.getsize(first)} and {os.path.getsize(second)} bytes")


def check_workers(tally, compiler, folder):
    plan = [("e2b-tiny", m) for m in gmtest.MODE_FLAGS] + [("a4b-tiny", m) for m in ("f32", "q8", "q4")]
    for case, mode in plan:
        exe = compiler.build(tally, f"workers {case} {mode}", golden(case), os.path.join(folder, "workers"),
                             *gmtest.MODE_FLAGS[mode])
        if not exe:
            continue
        for flags in (["--all"], []):
            ids = prompt_of(case)
            results = {n: gmtest.logits(exe, ids, *flags, "-t", n) for n in WORKERS}
            base, why = results[WORKERS[0]]
            for n in WORKERS:
                got, why = results[n]
                same = got is not None and base is not None and got.tobytes() == base.tobytes()
                detail = why if got is None or base is None else f"rel {gmtest.deviation(got, base):.3g}"
                tally.check(same, f"workers {case} {mode} -t {n} {''.join(flags)}", detail)


def check_fusion_names(tally, compiler):
    result = gmtest.run([compiler.gemmac, "--fuse=help"])
    listed = (result.text + result.err)
    tally.check(result.code == 0, "fusion help", result.brief())
    for name in FUSIONS:
        tally.check(name in listed, f"fusion help lists {name}", listed[:300])
    result = gmtest.run([compiler.gemmac, golden("e2b-tiny"), "-o", "unused", "--fuse=all,-nonsense"])
    tally.check(result.code == 2 and "nonsense" in result.err, "fusion refuses a name it does not know", result.brief())


def check_fusion(tally, compiler, folder):
    check_fusion_names(tally, compiler)
    for case in ("e2b-tiny", "a4b-tiny"):
        base = None
        for fuse in ["all", "none"] + [f"all,-{name}" for name in FUSIONS]:
            what = f"fusion {case} --fuse={fuse}"
            exe = compiler.build(tally, what, golden(case), os.path.join(folder, "fusion"),
                                 *gmtest.MODE_FLAGS["f32"], f"--fuse={fuse}")
            if not exe:
                continue
            every, why_all = gmtest.logits(exe, prompt_of(case), "--all")
            last, why_last = gmtest.logits(exe, prompt_of(case))
            if every is None or last is None:
                tally.check(False, what, why_all or why_last)
                continue
            got = np.concatenate([every.reshape(-1), last.reshape(-1)])
            base = got if base is None else base
            apart = gmtest.deviation(got, base)
            tally.check(apart <= FUSION_TOLERANCE, what, f"rel {apart:.3g}, at most {FUSION_TOLERANCE:g}")


def check_roads(tally, compiler, folder):
    for case in ("e2b-tiny", "a4b-tiny", "gemma3-tiny"):
        exe = compiler.build(tally, f"roads {case}", golden(case), os.path.join(folder, "roads"),
                             *gmtest.MODE_FLAGS["f32"])
        if not exe:
            continue
        short = prompt_of(case)
        for ids in (short, (short * 6)[:450], (short * 6)[:513]):
            what = f"roads {case} {len(ids)} tokens"
            every, why_all = gmtest.logits(exe, ids, "--all")
            last, why_last = gmtest.logits(exe, ids)
            if every is None or last is None:
                tally.check(False, what, why_all or why_last)
                continue
            tally.check(last.tobytes() == every[-1].tobytes(), f"{what}, last row of all",
                        f"rel {gmtest.deviation(last, every[-1]):.3g}")
            check_decode(tally, exe, what, ids)


def check_decode(tally, exe, what, ids, count=24):
    """Decode step k reads caches that k - 1 decode steps wrote; a prefill of the same tokens does not."""
    got, why = gmtest.generate(exe, ids, count)
    if got is None or len(got) != count:
        tally.check(False, f"{what}, decode", why or f"{len(got)} ids, expected {count}")
        return
    rows, why = gmtest.logits(exe, ids + got, "--all")
    if rows is None:
        tally.check(False, f"{what}, prefill of prompt and answer", why)
        return
    rows = rows[len(ids) - 1:-1]
    lead = rows.max(axis=-1) - rows[np.arange(count), got]  # 0 where the decoded id is the prefill's choice as well
    tally.check(not lead.any(), f"{what}, decode against prefill",
                f"step {int(lead.argmax())}: decoded id is {lead.max():.3g} below the prefill's choice")


SAMPLING = [["--temp=0"], ["--temp=0", "--repeat-penalty=1.3"], ["--top-k=1"], ["--top-k=64", "--top-p=0.95"],
            ["--top-k=40", "--temp=1.5", "--repeat-penalty=1.2"], ["--top-k=20", "--min-p=0.05", "--temp=2"],
            ["--top-k=192", "--top-p=1", "--repeat-penalty=1.1", "--temp=3"], ["--top-k=256", "--top-p=1", "--temp=3"],
            # what needs all of them in either executable
            ["--top-k=0"], ["--top-k=257", "--temp=3"], ["--top-k=40", "--repeat-penalty=0.9"]]


def entries_of(exe):
    return json.loads(gmtest.run([exe, "info", "--json"]).text)["entries"]


def check_sampling(tally, compiler, folder):
    plan = [("e2b-tiny", golden("e2b-tiny"), gmtest.MODE_FLAGS["q8"]), ("gemma3-tiny", golden("gemma3-tiny"), []),
            ("psalter", gmtest.PSALTER, ["--quantize=q4"])]
    for case, model, flags in plan:
        built = [compiler.build(tally, f"sampling {case} --fuse={fuse}", model, os.path.join(folder, f"exe{i}"), *flags,
                                f"--fuse={fuse}") for i, fuse in enumerate(["all", "all,-top"])]
        if not all(built):
            continue
        few, every = built
        tally.check("decode_top" in entries_of(few) and "decode_top" not in entries_of(every),
                    f"sampling {case}: --fuse=-top has no entry of the largest logits")
        for options in SAMPLING:
            what = f"sampling {case} {' '.join(options)}"
            command = ["--ids", "2,7,9,300,11", "-n", "60", "--ignore-eos", "--print-ids", "--seed=5", *options]
            expected = gmtest.run([every, *command])
            tally.check(expected.code == 0 and expected.text.count(",") == 59, what, expected.brief())
            for workers in WORKERS:
                got = gmtest.run([few, *command, "-t", workers])
                tally.check(got.text == expected.text, f"{what} -t {workers}", f"{got.text} and {expected.text}")


PARTS = {"bytes": check_bytes, "workers": check_workers, "fusion": check_fusion, "roads": check_roads,
         "sampling": check_sampling}


def main():
    parser = gmtest.arguments(__doc__)
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    args = parser.parse_args()
    tally, compiler = gmtest.start(args)
    with gmtest.work_folder(args) as folder:
        for part in args.only.split(","):
            if part not in PARTS:
                parser.error(f"{part!r} is none of {', '.join(PARTS)}")
            PARTS[part](tally, compiler, folder)
    tally.finish()


main()
