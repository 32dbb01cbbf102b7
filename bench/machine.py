"""What the scripts here share: running, describing the machine, reading memory, summing up, writing results."""
import hashlib
import json
import os
import platform
import re
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)


def run(command, quiet=True):
    """stdout of a command that must work."""
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, check=False,
                          stderr=subprocess.PIPE if quiet else None)
    if done.returncode != 0:
        message = (done.stderr or b"").decode(errors="replace")[-600:]
        sys.exit(f"{' '.join(map(str, command))}: exit {done.returncode}\n{message}")
    return done.stdout.decode()


def parse_with_flags(parser):
    """The parsed arguments; `flags` is what stands behind --."""
    own = sys.argv[1:]
    flags = own[own.index("--") + 1:] if "--" in own else []
    args = parser.parse_args(own[:own.index("--")] if "--" in own else own)
    args.flags = flags
    return args


def parse_test(text):
    """(prompt, answer, depth) of pp512, tg64 or tg64@4096; None of anything else."""
    found = re.fullmatch(r"(pp|tg)(\d+)(?:@(\d+))?", text)
    if not found:
        return None
    kind, count, depth = found.groups()
    return (int(count) if kind == "pp" else 0, int(count) if kind == "tg" else 0, int(depth or 0))


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = re.search(r"model name\s*:\s*(.*)", file.read())
    with open("/sys/kernel/mm/transparent_hugepage/enabled", encoding="utf-8") as file:
        pages = file.read().strip()
    return {"cpu": model.group(1) if model else "unknown", "cpus": len(os.sched_getaffinity(0)),
            "kernel": platform.release(), "transparent_hugepage": pages}


def digest(path):
    value = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 24):
            value.update(block)
    return value.hexdigest()


def build_reader(shared, folder):
    reader = os.path.join(folder, "membw")
    run(["cc", "-O3", "-march=native", "-pthread", os.path.join(shared, "bench", "membw.c"), "-o", reader])
    return reader


def read_rate(reader, threads, mib, huge):
    """GB/s, the median of membw's passes."""
    return float(re.search(r"median ([\d.]+)", run([reader, threads, mib, 5, int(huge)])).group(1))


def summary(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "n": len(values),
            "stddev": statistics.stdev(values) if len(values) > 1 else 0.0, "values": values}


def write_result(name, result):
    """Writes results/NAME-DATE.json; `result` has a date. Gives the path."""
    os.makedirs(os.path.join(HERE, "results"), exist_ok=True)
    stamp = result["date"][:16].replace(":", "").replace("-", "")
    path = os.path.join(HERE, "results", f"{name}-{stamp}.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1)
        file.write("\n")
    return path
