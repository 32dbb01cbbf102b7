#!/usr/bin/env python3
"""What the machine or the user takes away from a compilation: memory, room for files, descriptors, the linker's own files,
the checkpoint itself. Each ends with exit 1 to 3 and one message, and never touches an input.
"""
import os
import resource
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import gmtest  # noqa: E402

MODEL = os.path.join(gmtest.GOLDENS, "gemma3-tiny")


def refused(tally, what, result, code, *words):
    missing = [word for word in words if word not in result.err]
    tally.check(result.code == code and not missing and result.err.count("error:") == 1,
                f"{what}: exit {code} and one message", f"not mentioned {missing}: {result.brief()}")


def check_linker_files(tally, compiler, folder):
    """A compiler of one's own, whose link folder is damaged file by file."""
    source = os.path.dirname(os.path.dirname(compiler.gemmac))
    os.makedirs(os.path.join(folder, "bin"))
    gemmac = shutil.copy(compiler.gemmac, os.path.join(folder, "bin", "gemmac"))
    libraries = shutil.copytree(os.path.join(source, "lib", "gemmac"), os.path.join(folder, "lib", "gemmac"))
    out = os.path.join(folder, "out")
    for name in ("crti.o", "libgcc.a", "libgemmac_rt.a", "libc.so.6", "libstdc++.a"):
        path = os.path.join(libraries, name)
        with open(path, "rb") as file:
            whole = file.read()
        with open(path, "wb") as file:
            file.write(whole[:1000])
        refused(tally, f"damaged {name}", gmtest.run([gemmac, MODEL, "-o", out]), 3, name, "reinstall")
        with open(path, "wb") as file:
            file.write(whole)
    os.remove(os.path.join(libraries, "libgcc.a"))
    os.mkfifo(os.path.join(libraries, "libgcc.a"))
    refused(tally, "a pipe as libgcc.a", gmtest.run([gemmac, MODEL, "-o", out], timeout=60), 3, "libgcc.a")
    tally.check(not os.path.lexists(out), "no output of a failed link")


def check_limits(tally, compiler, folder):
    out = os.path.join(folder, "limited")
    for kib in (350_000, 400_000, 500_000):
        result = compiler(MODEL, out, preexec_fn=gmtest.limits(address_space=kib * 1024))
        tally.check(result.code in (0, 3, 127) and (result.code or not result.err), f"{kib} KiB of address space",
                    result.brief())  # 127: not even the loader had enough

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    refused(tally, "small files", compiler(MODEL, out + "2", preexec_fn=small_files), 3, "File too large")
    result = gmtest.run(["bash", "-c", f"'{compiler.gemmac}' '{MODEL}' -o '{out}3' <&- >&- 2>&-"])
    tally.check(result.code == 0, "closed descriptors", result.brief())
    for arguments in (["--version"], ["--help"], [MODEL, "--estimate"], [MODEL, "--emit=step"]):
        with open("/dev/full", "wb") as full:
            child = subprocess.run([compiler.gemmac, *arguments], stdout=full, stderr=subprocess.PIPE, check=False)
        tally.check(child.returncode == 3 and child.stderr.count(b"error:") == 1,
                    f"{arguments[-1]} with stdout on a full disk", str(child))


def check_lost_input(tally, compiler, folder):
    """The weights are cut while they are packed."""
    model = shutil.copytree(MODEL, os.path.join(folder, "lost"), copy_function=shutil.copyfile)
    weights = os.path.join(model, "model.safetensors")
    child = subprocess.Popen([compiler.gemmac, model, "-o", os.path.join(folder, "lost-out"), "-v"],
                             stderr=subprocess.PIPE, text=True)
    said = ""
    for line in child.stderr:
        said += line
        if "done: import" in line:
            os.truncate(weights, 4096)
    child.wait()
    tally.check(child.returncode == 1 and "checkpoint changed" in said, "weights cut during the compilation",
                f"exit {child.returncode}: {said[-500:]}")


def check_places(tally, compiler, folder):
    model = shutil.copytree(MODEL, os.path.join(folder, "own"), copy_function=shutil.copyfile)
    weights = os.path.join(model, "model.safetensors")
    size = os.path.getsize(weights)
    refused(tally, "output over the weights", compiler(model, weights), 2, weights)
    os.symlink(weights, os.path.join(folder, "link-to-weights"))
    refused(tally, "the same by a link", compiler(model, os.path.join(folder, "link-to-weights")), 2, weights)
    tally.check(os.path.getsize(weights) == size, "the weights are untouched")
    link, real = os.path.join(folder, "link"), os.path.join(folder, "real")
    os.symlink("real", link)
    result = compiler(MODEL, link)
    tally.check(result.code == 0 and os.path.islink(link) and os.path.isfile(real), "output through a link", result.brief())
    started = time.monotonic()
    refused(tally, "a name of 256 bytes", compiler(MODEL, os.path.join(folder, "n" * 256)), 3, "nnn")
    tally.check(time.monotonic() - started < 1, "which is seen at the start")
    result = compiler(MODEL, os.path.join(folder, "n" * 255))
    tally.check(result.code == 0, "a name of 255 bytes", result.brief())
    for place, text in (("/dev/stdout", True), ("/dev/null", False)):
        result = compiler(MODEL, place, "--emit=llvm")
        tally.check(result.code == 0 and (b"ModuleID" in result.out) == text, f"text into {place}", result.brief())
    refused(tally, "an executable into /dev/null", compiler(MODEL, "/dev/null"), 1, "/dev/null")


def check_values(tally, compiler):
    for arguments, word in ((["--context=nan"], "nan"), (["--max-batch=x"], "--max-batch=x"), (["-O22"], "22"),
                            (["-v=7"], "7"), (["-o"], "-o")):
        refused(tally, " ".join(arguments), gmtest.run([compiler.gemmac, MODEL, *arguments]), 2, word)


def main():
    args = gmtest.arguments(__doc__).parse_args()
    tally, compiler = gmtest.start(args)
    with gmtest.work_folder(args) as folder:
        check_linker_files(tally, compiler, folder)
        check_limits(tally, compiler, folder)
        check_lost_input(tally, compiler, folder)
        check_places(tally, compiler, folder)
        check_values(tally, compiler)
        with open(os.path.join(folder, "response"), "w", encoding="utf-8") as file:
            file.write("--help")
        result = gmtest.run([compiler.gemmac, "@" + "response"], cwd=folder)
        tally.check(result.code == 2, "a file of arguments is not read", result.brief())
    tally.finish()


main()
