#!/usr/bin/env python3
"""--target=cuda: the kernels of every variant and of every architecture are code that ptxas takes. No GPU is needed.

  text    PTX for the architecture that was asked for, with one .entry for each entry of the step
  exact   no product and sum that ptxas may fuse, nothing approximate, no subnormals flushed
  report  ptxas says of each kernel what it uses; registers and spills are printed as notes
  shapes  (--only shapes) the models of the family at their real sizes, in Q4_0, from GGUF files whose tensors are holes
"""
import functools
import os
import re

import gmtest
import ggufile
import real_shapes

CASES = ["e2b-tiny", "e4b-tiny", "a4b-tiny", "gemma3-tiny", "unified-tiny"]
MODES = ["f32", "bf16", "q4"]
REPORT = re.compile(r"^(\S+): (?:(\d+) registers, (\d+) bytes of shared memory, )?(\d+) bytes of stack, "
                    r"(\d+) bytes spilled, (\d+) bytes read back$", re.MULTILINE)
INEXACT = re.compile(r"^.*(?:\b(?:mul|add|sub|fma)\.f(?:32|64)\b|\.approx|\.ftz).*$", re.MULTILINE)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def architectures(compiler):
    listed = gmtest.run([compiler.gemmac, "--list-targets"]).text.split()
    return [name for name in listed if name.startswith("sm_")]


def entries(compiler, model, arch, flags):
    """Kernels that there should be: gm_<entry> for each entry of the step."""
    step = gmtest.run([compiler.gemmac, model, "--target=cuda", f"--gpu-arch={arch}", "--emit=step", *flags])
    return sorted("gm_" + name for name in re.findall(r"^ *step\.entry @(\w+)", step.text, re.MULTILINE))


def check(tally, compiler, folder, model, what, arch, flags):
    """One model, one architecture. False where this machine has no ptxas."""
    temps, cubin = os.path.join(folder, "temps"), os.path.join(folder, "cubin")
    result = compiler(model, cubin, "--target=cuda", f"--gpu-arch={arch}", "--emit=cubin", f"--save-temps={temps}",
                      *flags)
    if result.code == 3 and ("needs ptxas, which is not in" in result.err or "bin/ptxas is not to be run" in result.err):
        tally.skip(what, "no ptxas here")
        return False
    what = f"{what} {arch}"
    if not tally.check(result.code == 0, f"{what}: ptxas takes the kernels", result.brief()):
        return True
    ptx = read(os.path.join(temps, f"step.{arch}.ptx"))
    wanted = entries(compiler, model, arch, flags)
    found = sorted(re.findall(r"^\.visible \.entry (\w+)\(", ptx, re.MULTILINE))
    tally.check(f"\n.target {arch}\n" in ptx, f"{what}: the text is for it", ptx[:200])
    tally.check(found == wanted and len(wanted) >= 4 and ptx.count(".entry") == len(wanted),
                f"{what}: a kernel for each entry", f"found {found}, expected {wanted}")
    tally.check(not INEXACT.search(ptx), f"{what}: exact", str(INEXACT.findall(ptx)[:3]))
    with open(cubin, "rb") as file:
        tally.check(file.read(4) == b"\x7fELF", f"{what}: a cubin is an ELF file")
    reports = REPORT.findall(read(os.path.join(temps, f"step.{arch}.ptxas.txt")))
    kernels = {name: int(registers) for name, registers, *_ in reports if registers}
    tally.check(sorted(kernels) == wanted and all(0 < n <= 255 for n in kernels.values()),
                f"{what}: a report for each kernel", str(kernels))
    spilled = {name: int(stores) for name, _, _, _, stores, _ in reports if int(stores)}
    tally.note(f"{what}: {max(kernels.values(), default=0)} registers, {len(reports) - len(kernels)} functions, "
               f"{sum(spilled.values())} bytes spilled {spilled or ''}, {result.seconds:.1f} s")
    return True


def check_models(tally, compiler, folder, models, archs, everything):
    """Each model for each architecture; or, without `everything`, models and architectures by turns until both are through."""
    turn = 0
    for number, (model, what, flags) in enumerate(models):
        left = len(models) - number
        mine = archs if everything else [archs[(turn + i) % len(archs)]
                                         for i in range(max(1, -(-(len(archs) - turn) // left)))]
        turn += len(mine)
        for arch in mine:
            if not check(tally, compiler, folder, model(), what, arch, flags):
                return


def shape_file(folder, shape):
    path = os.path.join(folder, "shape.gguf")
    ggufile.write(path, *real_shapes.metadata(shape), list(real_shapes.tensors(shape)))
    return path


def main():
    parser = gmtest.arguments(__doc__)
    parser.add_argument("--only", default=",".join(CASES), help="goldens, or \"shapes\", separated by commas")
    parser.add_argument("--modes", default=",".join(MODES))
    parser.add_argument("--all", action="store_true", help="every model for every architecture")
    parser.add_argument("--archs", help="architectures, separated by commas (default: all)")
    args = parser.parse_args()
    tally, compiler = gmtest.start(args)
    archs = args.archs.split(",") if args.archs else architectures(compiler)
    if not archs:
        tally.check(False, "--list-targets names architectures")
    with gmtest.work_folder(args) as folder:
        names = args.only.split(",")
        models = [(functools.partial(os.path.join, gmtest.GOLDENS, name), f"{name} {mode}", gmtest.MODE_FLAGS[mode])
                  for name in names if name != "shapes" for mode in args.modes.split(",")]
        if "shapes" in names:
            models += [(functools.partial(shape_file, folder, shape), name, [])
                       for name, shape in real_shapes.SHAPES.items()]
        check_models(tally, compiler, folder, models, archs, args.all)
    tally.finish()


main()
