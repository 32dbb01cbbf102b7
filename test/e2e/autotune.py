#!/usr/bin/env python3
"""--autotune: what was measured is kept, found again, and believed only where it is whole; no choice changes a result.

  cache     the second compilation measures nothing; each damaged entry is measured anew and replaced
  results   logits are bitwise those of the untuned executable, also with every kernel's last candidate forced upon it,
            of experts too
  chunk     the rows of a prompt's step are kept and found like kernels; with each size the logits are the same
  info      the executable says how many kernels were tuned, and which are not as the cost model has them
  elsewhere a cache that cannot be written, and a target that cannot be run, are a warning and a note
Nothing here depends on which kernel is faster.
"""
import hashlib
import json
import os
import re

import gmtest

def golden(case):
    return os.path.join(gmtest.GOLDENS, case)


MODEL = golden("e2b-tiny")
FLAGS = ["--quantize=q4", "--compute=int8", "--context=256"]
CHUNK = re.compile(r"autotune: \S+: chunks of a prompt of (\d+) rows, (measured|from the cache)")
SUMMARY = re.compile(r"autotune: \S+: (\d+) kernels measured, (\d+) from (.*); (\d+) differ from the model's choice")


def summary(result):
    """(measured, cached, folder, differing) of a compilation, or None."""
    found = SUMMARY.search(result.err)
    return (int(found[1]), int(found[2]), found[3], int(found[4])) if found else None


def entries(folder, chunk=False):
    """The files of kernels, or that of the chunk if it was measured."""
    paths = sorted(os.path.join(folder, name) for name in os.listdir(folder))
    return [path for path in paths if gmtest.read_json(path)["key"].startswith("chunks of a prompt") == chunk]


def text_of(entry):
    """A file of the cache, as gemmac writes it (codegen/autotune/TuningCache.cpp)."""
    def printed(fields):
        return json.dumps(fields, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    rest = {key: value for key, value in entry.items() if key != "checksum"}
    return printed({**rest, "checksum": hashlib.sha256(printed(rest).encode()).hexdigest()})


def force(tally, path, choice):
    """Writes an entry with that candidate chosen, -1 for the last."""
    entry = gmtest.read_json(path)
    with open(path, encoding="utf-8") as file:
        tally.check(file.read() == text_of(entry), "an entry is what its fields say", path)
    entry["choice"] = choice % len(entry["candidates"])
    with open(path, "w", encoding="utf-8") as file:
        file.write(text_of(entry))


def force_last_candidates(tally, folder):
    for path in entries(folder):
        force(tally, path, -1)


def damage(paths):
    """Every file in one of these ways."""
    ways = [lambda text: text[:len(text) // 2], lambda text: "", lambda text: text.replace('"choice": ', '"choice": 7'),
            lambda text: text.replace('"gemmac_autotune": 1', '"gemmac_autotune": 0'), lambda text: text + "{}\n"]
    for number, path in enumerate(paths):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(ways[number % len(ways)](text))


def tuned(tally, compiler, what, out, cache, *flags, model=MODEL, base=FLAGS):
    result = compiler(model, out, *base, "--autotune", f"--autotune-cache={cache}", *flags)
    got = summary(result)
    tally.check(result.code == 0 and got is not None, f"{what} compile", result.brief())
    return got or (0, 0, "", 0), result


def check_logits(tally, what, exe, expected, ids):
    for flags in ([], ["--all"]):
        got, why = gmtest.logits(exe, ids, *flags)
        want = expected[bool(flags)]
        same = got is not None and want is not None and got.tobytes() == want.tobytes()
        tally.check(same, f"{what}: logits {''.join(flags)} are those of the untuned executable", why)


def described(tally, exe):
    result = gmtest.run([exe, "info", "--json"])
    tally.check(result.code == 0, "info", result.brief())
    return json.loads(result.text) if result.code == 0 else {}


def prompt_of(model):
    prompts = gmtest.read_json(os.path.join(model, "expected", "prompts.json"))
    return next(p["ids"] for p in prompts if p["name"] == "rand100")


def check_cache(tally, compiler, folder):
    ids = prompt_of(MODEL)
    plain = compiler.build(tally, "untuned", MODEL, os.path.join(folder, "plain"), *FLAGS)
    if not plain:
        return
    expected = {bool(flags): gmtest.logits(plain, ids, *flags)[0] for flags in ([], ["--all"])}
    tally.check("autotune" not in described(tally, plain), "info of an untuned executable has no autotune")
    cache, exe = os.path.join(folder, "cache", "of", "kernels"), os.path.join(folder, "tuned")

    first, _ = tuned(tally, compiler, "first", exe, cache)
    count = first[0]
    tally.check(count > 0 and first[1] == 0, "the first compilation measures", str(first))
    tally.check(len(entries(cache)) == count, "each kernel has a file", f"{len(entries(cache))} of {count}")
    check_logits(tally, "first", exe, expected, ids)

    second, _ = tuned(tally, compiler, "second", exe, cache)
    tally.check(second == (0, count, cache, first[3]), "the second measures nothing", f"{first} {second}")
    with open(exe, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    tuned(tally, compiler, "third", exe, cache)
    with open(exe, "rb") as file:
        tally.check(hashlib.sha256(file.read()).hexdigest() == digest, "the same choices give the same bytes")

    force_last_candidates(tally, cache)
    forced, _ = tuned(tally, compiler, "forced", exe, cache)
    tally.check(forced == (0, count, cache, count), "every entry is believed", str(forced))
    check_logits(tally, "forced", exe, expected, ids)
    said = described(tally, exe).get("autotune", {})
    tally.check(said.get("kernels") == count and len(said.get("choices", [])) == count, "info names the choices",
                str(said))
    text = gmtest.run([exe, "info"]).text
    tally.check(f"autotune: {count} kernels, of which {count} differ" in text, "info says so as text", text)

    whole = entries(cache)
    damage(whole)
    anew, result = tuned(tally, compiler, "damaged", exe, cache, "-v")
    tally.check(anew[:2] == (count, 0), "damaged entries are measured anew", str(anew))
    tally.check(result.err.count("ignored and measured anew") == count, "and named with -v", result.err)
    tally.check(tuned(tally, compiler, "repaired", exe, cache)[0][:2] == (0, count), "and replaced")
    tally.check(entries(cache) == whole, "nothing else is left in the cache")


def check_chunk(tally, compiler, folder):
    """Of a context that has room for several sizes; the prompt leaves one row over, whatever the chunk."""
    flags = [*(flag for flag in FLAGS if not flag.startswith("--context")), "--context=600"]
    plain = compiler.build(tally, "chunk untuned", MODEL, os.path.join(folder, "plain-chunk"), *flags)
    if not plain:
        return
    ids = [2] + [3 + 7919 * i % 2000 for i in range(512)]
    expected = {bool(more): gmtest.logits(plain, ids, *more)[0] for more in ([], ["--all"])}
    exe, cache = os.path.join(folder, "tuned-chunk"), os.path.join(folder, "chunks")

    def compile_with(what):
        _, result = tuned(tally, compiler, what, exe, cache, "-v", base=flags)
        found = CHUNK.search(result.err)
        return (int(found[1]), found[2]) if found else (0, ""), result

    (rows, how), _ = compile_with("chunk")
    kept = entries(cache, chunk=True)
    if not tally.check(how == "measured" and len(kept) == 1, "a chunk is measured and kept", f"{rows} {how} {kept}"):
        return
    tally.check(compile_with("chunk again")[0] == (rows, "from the cache"), "and found again")
    sizes = [int(text.split()[0]) for text in gmtest.read_json(kept[0])["candidates"]]
    tally.check(len(sizes) > 1, "there is something to choose", str(sizes))
    for choice, size in enumerate(sizes):
        force(tally, kept[0], choice)
        tally.check(compile_with(f"chunk of {size}")[0] == (size, "from the cache"), f"a chunk of {size} is believed")
        said = described(tally, exe)
        tally.check(said["entries"]["prefill_none"]["rows"] == size and said["autotune"].get("chunk") == size,
                    f"info names a chunk of {size}", str(said.get("autotune")))
        tally.check(f"chunks of {size} rows" in gmtest.run([exe, "info"]).text, f"also as text: {size}")
        check_logits(tally, f"chunk of {size}", exe, expected, ids)
    damage(kept)
    (_, how), result = compile_with("damaged chunk")
    tally.check(how == "measured" and kept[0] + ": " in result.err, "a damaged one is measured anew", result.err)


def check_experts(tally, compiler, folder):
    """Experts, and products of many rows without a matrix unit."""
    model, march = golden("a4b-tiny"), "--march=x86-64-v3"
    plain = compiler.build(tally, "experts untuned", model, os.path.join(folder, "plain-experts"), *FLAGS, march)
    if not plain:
        return
    ids, exe, cache = prompt_of(model), os.path.join(folder, "tuned-experts"), os.path.join(folder, "experts")
    expected = {bool(flags): gmtest.logits(plain, ids, *flags)[0] for flags in ([], ["--all"])}
    first, _ = tuned(tally, compiler, "experts", exe, cache, march, "--emit=llvm", model=model)
    force_last_candidates(tally, cache)
    forced, _ = tuned(tally, compiler, "experts forced", exe, cache, march, model=model)
    tally.check(first[0] > 0 and forced == (0, first[0], cache, first[0]), "experts: every entry is believed",
                f"{first} {forced}")
    check_logits(tally, "experts forced", exe, expected, ids)


def check_elsewhere(tally, compiler, folder):
    blocked = os.path.join(folder, "blocked")
    with open(blocked, "w", encoding="utf-8") as file:
        file.write("a file where the folder would be")
    exe = os.path.join(folder, "unkept")
    got, result = tuned(tally, compiler, "unwritable cache", exe, blocked)
    tally.check(got[0] > 0 and result.err.count("what is measured is not kept") == 1, "an unwritable cache is a warning",
                result.err)
    home = os.path.join(folder, "home")
    environment = {**os.environ, "HOME": home, "XDG_CACHE_HOME": ""}
    asm = os.path.join(folder, "text")
    result = compiler(MODEL, asm, *FLAGS, "--autotune", "--emit=llvm", env=environment)
    where = os.path.join(home, ".cache", "gemmac", "autotune")
    tally.check(result.code == 0 and os.path.isdir(where) and len(entries(where)) > 0, "the default cache is in HOME",
                result.brief())
    foreign = compiler(MODEL, asm, *FLAGS, "--autotune", "--emit=llvm", "--march=armv8.2-a+dotprod", env=environment)
    tally.check(foreign.code == 0 and "armv8.2-a+dotprod cannot be measured on this machine" in foreign.err
                and summary(foreign) is None, "a target of another architecture keeps the model's choices", foreign.brief())


def main():
    parser = gmtest.arguments(__doc__)
    args = parser.parse_args()
    tally, compiler = gmtest.start(args)
    with gmtest.work_folder(args) as folder:
        check_cache(tally, compiler, folder)
        check_chunk(tally, compiler, folder)
        check_experts(tally, compiler, folder)
        check_elsewhere(tally, compiler, folder)
    tally.finish()


if __name__ == "__main__":
    main()
