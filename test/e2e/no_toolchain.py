#!/usr/bin/env python3
"""gemmac needs no compiler, linker or development package where it runs: what it links lies beside it.

Part one compiles with an empty environment. Part two does it in a mount namespace of its own in which compilers,
linkers, headers, crt objects, static archives and linker scripts are hidden; that needs root (or user namespaces).
"""
import ctypes
import glob
import os
import subprocess
import sys

import gmtest

FOLDERS = ["/usr/lib/gcc", "/usr/include", "/usr/lib/llvm-22/bin", "/usr/lib/llvm-22/include", "/usr/lib/llvm-22/lib/clang",
           "/usr/lib/llvm-22/lib/cmake"]
FILE_PATTERNS = [
    "/usr/bin/ld", "/usr/bin/*-ld", "/usr/bin/ld.[!s]*", "/usr/bin/*-ld.*", "/usr/bin/*lld-22", "/usr/bin/cc", "/usr/bin/c++",
    "/usr/bin/*gcc*", "/usr/bin/*g++*", "/usr/bin/clang*", "/usr/bin/as", "/usr/bin/*-as", "/usr/bin/ar", "/usr/bin/*-ar",
    "/usr/lib/x86_64-linux-gnu/*.o", "/usr/lib/x86_64-linux-gnu/*.a", "/usr/lib/llvm-22/lib/*.a",
]
MULTIARCH = "/usr/lib/x86_64-linux-gnu"
HIDDEN = "--inside-hidden-namespace"


def is_text(path):
    with open(path, "rb") as file:
        return not file.read(4).startswith(b"\x7fELF")


def files_to_hide():
    """Regular files behind the patterns, and the development-only .so files: those that are linker scripts."""
    found = {os.path.realpath(p) for pattern in FILE_PATTERNS for p in glob.glob(pattern)}
    scripts = {p for p in glob.glob(f"{MULTIARCH}/*.so") if os.path.isfile(p) and not os.path.islink(p) and is_text(p)}
    return sorted(p for p in found | scripts if os.path.isfile(p) and not p.startswith(tuple(f + "/" for f in FOLDERS)))


def hide(empty_file, empty_folder):
    """Inside the namespace: covers every path by a bind mount. (what could not be covered, how many there are)."""
    libc = ctypes.CDLL(None, use_errno=True)
    bind = 4096  # MS_BIND; the system call, since mount(8) might get hidden on the way
    pairs = [(empty_folder, f) for f in FOLDERS if os.path.isdir(f)] + [(empty_file, f) for f in files_to_hide()]
    failed = [f"{path}: {os.strerror(ctypes.get_errno())}" for cover, path in pairs
              if libc.mount(cover.encode(), path.encode(), None, bind, None) != 0]
    return failed, len(pairs)


def compiler_works():
    """Whether any of the compilers and linkers that people call can still be started."""
    for program in ("ld", "gcc", "cc", "clang-22", "ld.lld-22", "as"):
        try:
            subprocess.run([program, "--version"], check=True, capture_output=True)
            return True
        except (OSError, subprocess.CalledProcessError):
            continue
    return False


def inside(gemmac, model, out, empty_file, empty_folder):
    """The hidden half, run under unshare: exit status of gemmac, or 99 where hiding failed."""
    failed, count = hide(empty_file, empty_folder)
    if failed or count < 10 or compiler_works() or glob.glob("/usr/lib/gcc/*"):
        print(f"hid {count - len(failed)} of {count} paths; {failed[:3]}", file=sys.stderr)
        sys.exit(99)
    result = gmtest.run([gemmac, model, "-o", out], env={})
    sys.stderr.write(result.err)
    sys.exit(98 if result.code is None or result.code < 0 else result.code)


def check_runs(tally, what, exe):
    got, why = gmtest.generate(exe, [2, 105], 3)
    tally.check(got is not None and len(got) == 3, f"{what}: the executable runs", why)


def main():
    if len(sys.argv) > 1 and sys.argv[1] == HIDDEN:
        inside(*sys.argv[2:])
    args = gmtest.arguments(__doc__).parse_args()
    tally, compiler = gmtest.start(args)
    model = os.path.join(gmtest.GOLDENS, "gemma3-tiny")
    with gmtest.work_folder(args) as folder:
        out = os.path.join(folder, "bare")
        result = compiler(model, out, env={})
        if tally.check(result.code == 0, "compiles with an empty environment", result.brief()):
            check_runs(tally, "empty environment", out)

        empty_file, empty_folder = os.path.join(folder, "empty"), os.path.join(folder, "none")
        with open(empty_file, "wb"):
            pass
        os.makedirs(empty_folder, exist_ok=True)
        unshare = ["unshare", "--mount", "--propagation", "private"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
        if gmtest.run([*unshare, "mount", "--bind", empty_folder, empty_folder]).code != 0:
            tally.skip("compiles with the toolchain hidden", "this machine grants no mount namespace")
            tally.finish()
        out = os.path.join(folder, "hidden")
        result = gmtest.run([*unshare, sys.executable, os.path.abspath(__file__), HIDDEN, compiler.gemmac, model, out,
                             empty_file, empty_folder], timeout=900)
        if tally.check(result.code == 0, "compiles with the toolchain hidden", result.brief()):
            check_runs(tally, "toolchain hidden", out)
    tally.finish()


main()
