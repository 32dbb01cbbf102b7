"""What the end-to-end scripts share: counting, running programs under a limit, reading reference files, measuring.

Invariant: a script can only end well through Tally.finish(), which fails where nothing passed. A program that is
missing, hangs, dies by a signal or prints what cannot be read is a failure with its message, never a skip.
"""
import argparse
import contextlib
import dataclasses
import json
import os
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

import numpy as np

INPUTS = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Inputs"))
GOLDENS = os.path.join(INPUTS, "goldens")
PSALTER = os.path.join(INPUTS, "psalter")
PAYLOAD_ALIGN = 2 << 20  # runtime/PayloadFormat.h, kPayloadAlign
SKIPPED = 77  # ctest shows a test that exits with this as skipped

MODE_FLAGS = {
    "f32": ["--quantize=none", "--compute=f32", "--kv=f32"],
    "bf16": ["--quantize=none", "--compute=bf16", "--kv=bf16"],
    "q8": ["--quantize=q8", "--compute=int8"],
    "q4": ["--quantize=q4", "--compute=bf16"],
}


class Tally:
    """Counts checks; prints every failure at once, passes only with -v."""

    def __init__(self, verbose=False):
        self.passed = self.failed = 0
        self.skips = []
        self.verbose = verbose

    def check(self, ok, what, detail=""):
        if ok:
            self.passed += 1
            if self.verbose:
                print(f"ok    {what}  {detail}", flush=True)
        else:
            self.failed += 1
            print(f"FAIL  {what}  {detail}", flush=True)
        return bool(ok)

    def note(self, text):
        print(f"note  {text}", flush=True)

    def skip(self, what, why):
        """For what this machine cannot show (no second mount namespace, say); never for a missing program."""
        self.skips.append(what)
        print(f"skip  {what}: {why}", flush=True)

    def finish(self):
        print(f"{self.passed} passed, {self.failed} failed" + (f", {len(self.skips)} skipped" if self.skips else ""))
        if self.skips and not self.passed and not self.failed:
            sys.exit(SKIPPED)
        sys.exit(1 if self.failed or not self.passed else 0)


@dataclasses.dataclass
class Result:
    """Of one finished program. `code` is negative for a signal, as subprocess has it; None where it ran out of time."""
    code: int
    out: bytes
    err: str
    seconds: float = 0.0

    @property
    def text(self):
        return self.out.decode("utf-8", "replace")

    def brief(self):
        how = "no answer in time" if self.code is None else f"exit {self.code}"
        return f"{how}: {self.err.strip()[-400:]}"


def limits(address_space=None, file_size=None):
    """A preexec_fn that sets limits in the child. A write past `file_size` bytes then fails with EFBIG, no signal."""
    def apply():
        if address_space:
            resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))
        if file_size:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
    return apply


RUNNER = []  # set once, by start(): what executables for another architecture are run with


def run(command, stdin=b"", timeout=600, **options):
    """Runs `command` in a process group of its own, which is ended as a whole when time is up."""
    started = time.monotonic()
    try:
        child = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, start_new_session=True, **options)
    except OSError as error:
        return Result(127, b"", f"{command[0]}: {error}")
    try:
        out, err = child.communicate(stdin, timeout=timeout)
        code = child.returncode
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        out, err = child.communicate()
        code = None
    return Result(code, out, err.decode("utf-8", "replace"), time.monotonic() - started)


class Compiler:
    """gemmac with the flags that every compilation of this run gets."""

    def __init__(self, gemmac, flags=(), timeout=900):
        self.gemmac = os.path.abspath(gemmac)
        self.flags = list(flags)
        self.timeout = timeout

    def __call__(self, model, out, *flags, **options):
        return run([self.gemmac, model, "-o", out, *flags, *self.flags], timeout=self.timeout, **options)

    def build(self, tally, what, model, out, *flags):
        """Compiles, as a counted check; the executable's path, or None."""
        result = self(model, out, *flags)
        whole = result.code == 0 and os.path.isfile(out) and os.access(out, os.X_OK)
        return out if tally.check(whole, f"{what} compile", "" if whole else result.brief()) else None


def arguments(description, **options):
    """The parser every script starts from: --gemmac, --flags, -v, and --work DIR to keep what was made."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     **options)
    parser.add_argument("--gemmac", required=True, help="the compiler under test")
    parser.add_argument("--flags", default="", help="further flags for every compilation, separated by blanks")
    parser.add_argument("--runner", default="", help="what runs the executables: \"qemu-aarch64 -L DIR\"")
    parser.add_argument("--work", help="folder to work in, kept afterwards (default: a temporary one)")
    parser.add_argument("-v", "--verbose", action="store_true")
    return parser


@contextlib.contextmanager
def work_folder(args):
    if args.work:
        os.makedirs(args.work, exist_ok=True)
        yield os.path.abspath(args.work)
        return
    folder = tempfile.mkdtemp(prefix="gemmac-test-")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def start(args):
    """The tally and compiler of a script. A compiler that is not there ends the script as a failure."""
    tally = Tally(args.verbose)
    RUNNER[:] = args.runner.split()
    if not os.access(args.gemmac, os.X_OK):
        tally.check(False, "gemmac", f"{args.gemmac}: no such program; build it first")
        tally.finish()
    return tally, Compiler(args.gemmac, args.flags.split())


def read_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def read_tensors(path):
    """safetensors file of F32 tensors -> {name: array}."""
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        data = file.read()
    return {name: np.frombuffer(data[slice(*entry["data_offsets"])], np.float32).reshape(entry["shape"])
            for name, entry in header.items() if name != "__metadata__"}


def join_ids(ids):
    return ",".join(str(i) for i in ids)


def logits(exe, ids, *flags):
    """Runs `logits`: (array, "") or (None, why not). Insists on float32 and finite values."""
    out = exe + ".npy"
    with contextlib.suppress(FileNotFoundError):
        os.remove(out)
    result = run([*RUNNER, exe, "logits", "--ids", join_ids(ids), *flags, "-o", out])
    if result.code != 0:
        return None, result.brief()
    try:
        array = np.load(out, allow_pickle=False)
    except (OSError, ValueError) as error:
        return None, f"cannot read its .npy: {error}"
    if array.dtype != np.float32:
        return None, f"dtype {array.dtype}, expected float32"
    if not np.isfinite(array).all():
        return None, "holds values that are not finite"
    return array, ""


def generate(exe, ids, count, *flags):
    """Greedy ids by `run --print-ids`: (list, "") or (None, why not)."""
    result = run([*RUNNER, exe, "--ids", join_ids(ids), "-n", count, "--temp", "0", "--ignore-eos", "--print-ids",
                  *flags])
    if result.code != 0:
        return None, result.brief()
    try:
        got = json.loads(result.text)
    except ValueError:
        got = None
    if not isinstance(got, list) or not all(isinstance(i, int) for i in got):
        return None, f"stdout is not one JSON array of ids: {result.text[:200]!r}"
    return got, ""


def trusted_prefix(margins, least=0.01):
    """How many greedy ids are safe to compare: up to the first whose lead over the runner-up is below `least`."""
    return next((i for i, m in enumerate(margins) if m < least), len(margins))


def deviation(got, want):
    """max|got - want| / max|want|, of any shapes with equal element counts."""
    got, want = (np.asarray(a, np.float64).reshape(-1) for a in (got, want))
    return float(np.abs(got - want).max() / max(1e-30, np.abs(want).max()))


def log_softmax(x):
    x = x - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def compare(got, want):
    """Deviation (rel), cosine over everything (cos) and mean KL(want || got) in nats per row (kl)."""
    got, want = (np.asarray(a, np.float64).reshape(-1, np.shape(a)[-1]) for a in (got, want))
    p, q = log_softmax(want), log_softmax(got)
    return {"rel": deviation(got, want),
            "cos": float((got * want).sum() / max(1e-30, np.linalg.norm(got) * np.linalg.norm(want))),
            "kl": float((np.exp(p) * (p - q)).sum(axis=-1).mean())}
