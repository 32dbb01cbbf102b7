#!/usr/bin/env python3
"""Where the output cannot be written: exit 3 (the machine lacks something), a message that names the place, and nothing
under the final name, or what was there before. Full disk, file size limit, read-only folder, folder that is not there,
names that are taken by something that is no file. The same for the executable's own `logits -o`.
"""
import os
import stat
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import gmtest  # noqa: E402

MODEL = os.path.join(gmtest.GOLDENS, "gemma3-tiny")
# Runs a command in a mount namespace of its own, where $1 is a file system with options $2 and the file $1/keep.
IN_MOUNT = """
set -e
mount -t tmpfs -o "$2" tmpfs "$1"
echo before > "$1/keep"
if [ -n "$3" ]; then mount -o "remount,$3" "$1"; fi
folder=$1; shift 3
status=0
"$@" || status=$?
echo "LEFT $(ls -A "$folder" | tr '\\n' ' ')" >&2
exit $status
"""


def unshare_prefix():
    return ["unshare", "--mount", "--propagation", "private"] + ([] if os.geteuid() == 0 else ["--map-root-user"])


def can_mount(folder):
    probe = os.path.join(folder, "probe")
    os.makedirs(probe, exist_ok=True)
    return gmtest.run([*unshare_prefix(), "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", probe]).code == 0


def in_mount(folder, options, remount, command):
    return gmtest.run([*unshare_prefix(), "bash", "-c", IN_MOUNT, "-", folder, options, remount, *command], timeout=900)


def check_failure(tally, what, result, named, absent=None, codes=(3,)):
    tally.check(result.code in codes, f"{what}: exit {' or '.join(map(str, codes))}", result.brief())
    tally.check(named in result.err, f"{what}: the message names {named}", result.brief())
    if absent:
        tally.check(not os.path.lexists(absent), f"{what}: nothing under the final name")


def check_mounts(tally, compiler, folder, exe):
    """Full disk (2 MiB: room to begin, not to end) and a read-only file system."""
    place = os.path.join(folder, "mounted")
    os.makedirs(place)
    if not can_mount(folder):
        tally.skip("full disk and read-only file system", "this machine grants no mount namespace")
        return
    out = os.path.join(place, "out")
    compile_command = [compiler.gemmac, MODEL, "-o", out]
    logits_command = [exe, "logits", "--ids", "2,5,7", "--all", "-o", out]
    plans = [("full disk, gemmac", "size=2m", "", compile_command, (3,)),
             ("read-only, gemmac", "size=64m", "ro", compile_command, (3,)),
             ("full disk, logits", "size=8k", "", logits_command, (3,)),
             ("read-only, logits", "size=64m", "ro", logits_command, (1, 3))]  # there the user chose the place
    for what, options, remount, command, codes in plans:
        result = in_mount(place, options, remount, command)
        check_failure(tally, what, result, out, codes=codes)
        left = result.err.rsplit("LEFT ", 1)[-1].split()
        tally.check(left == ["keep"], f"{what}: nothing left behind", f"found {left}")
    for what, command in (("gemmac", compile_command), ("logits", logits_command)):
        result = in_mount(place, "size=64m", "", command)
        tally.check(result.code == 0, f"the same with room enough works: {what}", result.brief())


def check_size_limit(tally, compiler, folder, exe):
    """A write that fails half-way (EFBIG), early and late in the file, also over an earlier result."""
    out = os.path.join(folder, "limited")
    for limit in (4096, 1 << 20, os.path.getsize(exe) - 4096):
        result = compiler(MODEL, out, preexec_fn=gmtest.limits(file_size=limit))
        check_failure(tally, f"file size limit {limit}", result, out, absent=out)
    with open(out, "wb") as file:
        file.write(b"earlier result")
    result = compiler(MODEL, out, preexec_fn=gmtest.limits(file_size=1 << 20))
    with open(out, "rb") as file:
        tally.check(result.code == 3 and file.read() == b"earlier result", "a failed run keeps the earlier result",
                    result.brief())
    os.remove(out)
    left = [name for name in os.listdir(folder) if name.startswith(("limited", ".limited"))]
    tally.check(not left, "failed runs leave no temporary files", str(left))


def check_names(tally, compiler, folder):
    absent = os.path.join(folder, "no-such-folder", "out")
    result = compiler(MODEL, absent)
    tally.check(result.code in (1, 2, 3) and "no-such-folder" in result.err, "folder that is not there", result.brief())
    taken = os.path.join(folder, "taken")
    os.makedirs(os.path.join(taken, "inner"))
    result = compiler(MODEL, taken)
    tally.check(result.code in (1, 2, 3) and taken in result.err and os.path.isdir(os.path.join(taken, "inner")),
                "a folder has the name", result.brief())
    pipe = os.path.join(folder, "pipe")
    os.mkfifo(pipe)
    result = compiler(MODEL, pipe)
    tally.check(result.code in (1, 2, 3) and stat.S_ISFIFO(os.lstat(pipe).st_mode),
                "a pipe has the name and keeps it (a device like /dev/null must, too)", result.brief())
    if os.geteuid() == 0:
        tally.skip("folder without write permission", "root may write everywhere")
    else:
        closed = os.path.join(folder, "closed")
        os.makedirs(closed, mode=0o555)
        check_failure(tally, "folder without write permission", compiler(MODEL, os.path.join(closed, "out")), closed)


def check_closed_stdout(tally, exe):
    """A reader that goes away, or a full disk behind stdout, ends the program; it does not hang or crash."""
    with open("/dev/full", "wb") as full:
        child = subprocess.run([exe, "--ids", "2", "-n", "8", "--ignore-eos"], stdout=full, stderr=subprocess.PIPE,
                               timeout=300, check=False)
    tally.check(child.returncode in (1, 2, 3), "stdout on a full disk is an error", f"exit {child.returncode}")
    command = f"'{exe}' --ids 2 -n 64 --ignore-eos | head -c 1 >/dev/null; exit ${{PIPESTATUS[0]}}"
    child = gmtest.run(["bash", "-c", command], timeout=300)
    tally.check(child.code in (0, 1, 3, 141), "a reader that goes away", child.brief())


def main():
    args = gmtest.arguments(__doc__).parse_args()
    tally, compiler = gmtest.start(args)
    with gmtest.work_folder(args) as folder:
        exe = compiler.build(tally, "gemma3-tiny", MODEL, os.path.join(folder, "good"))
        if exe:
            check_mounts(tally, compiler, folder, exe)
            check_size_limit(tally, compiler, folder, exe)
            check_names(tally, compiler, folder)
            check_closed_stdout(tally, exe)
    tally.finish()


main()
