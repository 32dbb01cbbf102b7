#!/usr/bin/env python3
"""kill -9 at random moments of a compilation: under the final name there is nothing, or the whole file it held before.

Half of the kills hit a folder without an earlier result, half one that holds another executable (of other weights): what
is there afterwards is either of the two, byte for byte. Then the same command, run again, must work. The moments come
from a seed that is printed.
"""
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import gmtest  # noqa: E402


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def compile_and_kill(compiler, out, flags, delay):
    """True if the compilation was still running when it was killed."""
    child = subprocess.Popen([compiler.gemmac, gmtest.PSALTER, "-o", out, *flags], start_new_session=True,
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        child.wait(delay)
        return False
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        return True


def check_kill(tally, compiler, folder, flags, delay, new, earlier):
    """One kill in a folder of its own. `new`: the digest of the result; `earlier`: an executable to start from, or None."""
    out = os.path.join(folder, "psalter")
    what = f"kill after {delay:.3f} s" + (" over an earlier result" if earlier else "")
    if earlier:
        shutil.copy(earlier, out)
    killed = compile_and_kill(compiler, out, flags, delay)
    found = digest(out) if os.path.exists(out) else None
    allowed = [new]
    if killed:
        allowed.append(digest(earlier) if earlier else None)
    tally.check(found in allowed, f"{what}: under the final name is the new result whole, or what was there before",
                f"found {found}")
    return killed


def main():
    parser = gmtest.arguments(__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=None)
    args = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 30) if args.seed is None else args.seed
    tally, compiler = gmtest.start(args)
    tally.note(f"--seed={seed}")
    moments = random.Random(seed)
    flags = ["--quantize=q8"]
    with gmtest.work_folder(args) as folder:
        first = os.path.join(folder, "reference")
        started = time.monotonic()
        if not compiler.build(tally, "reference", gmtest.PSALTER, first, *flags):
            tally.finish()
        whole = time.monotonic() - started
        earlier, new = os.path.join(folder, "earlier"), digest(first)
        if not compiler.build(tally, "earlier", gmtest.PSALTER, earlier, "--quantize=q4"):
            tally.finish()
        tally.check(digest(earlier) != new, "the earlier result is another one")
        hits = 0
        for i in range(args.kills):
            # The last moments, when files are completed and renamed, are the ones that matter: half fall in the last third.
            low = 0.66 if i % 2 else 0.0
            place = os.path.join(folder, f"kill{i}")
            os.makedirs(place)
            hits += check_kill(tally, compiler, place, flags, whole * moments.uniform(low, 1.0), new,
                               earlier if i % 4 >= 2 else None)
            if i % 5 == 4 or i == args.kills - 1:
                again = compiler(gmtest.PSALTER, os.path.join(place, "psalter"), *flags)
                same = again.code == 0 and digest(os.path.join(place, "psalter")) == new
                tally.check(same, f"the run after kill {i} works and gives the same bytes", again.brief())
        tally.check(hits > 0, "at least one kill hit a running compilation", f"{hits} of {args.kills}")
        tally.note(f"{hits} of {args.kills} kills hit a running compilation of {whole:.1f} s")
    tally.finish()


main()
