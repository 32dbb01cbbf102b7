"""What bench/gpu.sh does: see there. Standard library only."""
import array
import gzip
import json
import math
import os
import shutil
import struct
import subprocess
import sys
import time

BENCH = [["-p", "2048", "-n", "0"], ["-p", "512", "-n", "0"], ["-p", "0", "-n", "128"], ["-p", "0", "-n", "64", "-d", "3072"]]
FILL = 0x2c  # as a byte of codes, as half of an f16 or bf16: small positive numbers


def run(command, timeout=300):
    done = subprocess.run(command, capture_output=True, timeout=timeout, check=False)
    return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")


def gpu():
    """Name, driver and clocks, as nvidia-smi has them."""
    fields = ["name", "driver_version", "memory.total", "clocks.sm", "clocks.max.sm", "clocks.mem", "power.limit"]
    try:
        code, out, err = run(["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader"])
    except OSError as error:
        return {"problem": str(error)}
    return dict(zip(fields, [x.strip() for x in out.splitlines()[0].split(",")])) if code == 0 else {"problem": err[-300:]}


def unpack(folder, name, to, mode="wb"):
    with gzip.open(os.path.join(folder, name + ".gz"), "rb") as source, open(to, mode) as target:
        shutil.copyfileobj(source, target, 1 << 20)


def read_npy(path):
    """Floats of a .npy file of float32."""
    with open(path, "rb") as file:
        file.seek(8)
        (size,) = struct.unpack("<H", file.read(2))
        header = file.read(size).decode()
        if "'<f4'" not in header:
            raise ValueError(f"{path}: {header}")
        return array.array("f", file.read())


def compare(got, want):
    """Cosine and Kullback-Leibler divergence of one row, as test/e2e/gmtest.py has them."""
    dot = sum(a * b for a, b in zip(got, want))
    norm = math.sqrt(sum(a * a for a in got) * sum(b * b for b in want))

    def log_softmax(x):
        top = max(x)
        total = math.log(sum(math.exp(v - top) for v in x)) + top
        return [v - total for v in x]
    p, q = log_softmax(want), log_softmax(got)
    return {"cos": dot / norm if norm else 0.0, "kl": sum(math.exp(a) * (a - b) for a, b in zip(p, q))}


def check_golden(folder, work, case):
    """Worst of all prompts, and the prompts that are off."""
    exe = os.path.join(work, case["exe"])
    unpack(folder, case["exe"], exe)
    os.chmod(exe, 0o755)
    found = {"name": case["exe"], "limit": case["limit"], "prompts": len(case["prompts"]), "cos": 1.0, "kl": 0.0, "off": []}
    for prompt in case["prompts"]:
        out = exe + ".npy"
        code, _, err = run([exe, "logits", "--ids", ",".join(map(str, prompt["ids"])), "-o", out])
        if code:
            found["off"].append(f"{prompt['name']}: exit {code}: {err[-300:]}")
            continue
        one = compare(read_npy(out), prompt["logits"])
        found["cos"], found["kl"] = min(found["cos"], one["cos"]), max(found["kl"], one["kl"])
        if one["cos"] < case["limit"].get("cos", -1) or not one["kl"] <= case["limit"].get("kl", math.inf):
            found["off"].append(f"{prompt['name']}: {one}")
    return exe, found


def sanitize(exe):
    tool = shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"
    if not os.access(tool, os.X_OK):
        return "not run: no compute-sanitizer"
    result = {}
    for check in ("memcheck", "racecheck", "synccheck"):
        try:
            code, out, err = run([tool, "--tool", check, "--error-exitcode", "9", exe, "run", "--ids", "2,5,7,11", "-n", "3",
                                  "--temp", "0", "--ignore-eos"], timeout=120)
            result[check] = {"exit": code, "summary": (out + err).strip().splitlines()[-1:]}
        except subprocess.TimeoutExpired:
            result[check] = "took more than two minutes"
    return result


def restore(folder, work, shape):
    exe = os.path.join(work, shape["exe"])
    unpack(folder, shape["exe"] + ".head", exe)
    piece = bytes([FILL]) * (64 << 20)
    with open(exe, "ab") as file:
        left = shape["weights"]
        while left:
            left -= file.write(piece[:min(left, len(piece))])
    unpack(folder, shape["exe"] + ".tail", exe, "ab")
    os.chmod(exe, 0o755)
    return exe


def bench_shape(folder, work, shape):
    exe = restore(folder, work, shape)
    result = {"name": shape["exe"], "weights": shape["weights"], "tests": []}
    for test in BENCH:
        code, out, err = run([exe, "bench", *test, "-r", "5", "-o", "json"])
        result["tests"].append(json.loads(out)[0] if code == 0 else {"test": test, "exit": code, "error": err[-500:]})
    starts = []
    for _ in range(5):
        begin = time.perf_counter()
        code, _, err = run([exe, "run", "--ids", "2,5,7,11,13,17", "-n", "1", "--ignore-eos", "--print-ids"])
        starts.append(time.perf_counter() - begin if code == 0 else err[-300:])
    result["start_to_end_of_one_token_s"] = starts
    os.remove(exe)
    return result


def main():
    folder, out = sys.argv[1:3]
    with gzip.open(os.path.join(folder, "plan.json.gz")) as file:
        plan = json.load(file)
    work = os.path.join(folder, "work")
    os.makedirs(work, exist_ok=True)
    result = {"date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "gpu": gpu(), "gpu_arch": plan["gpu_arch"],
              "goldens": [], "shapes": []}

    def keep():
        with open(out + ".part", "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)
        os.replace(out + ".part", out)
    print(result["gpu"], flush=True)
    failures = 0
    for case in plan["goldens"]:
        exe, found = check_golden(folder, work, case)
        failures += bool(found["off"])
        print(f"{found['name']}: {found['prompts']} prompts, cos >= {found['cos']:.6f}, KL <= {found['kl']:.2e}, "
              f"{len(found['off'])} off", flush=True)
        if not result["goldens"]:
            result["sanitizer"] = sanitize(exe)
            print(f"compute-sanitizer: {result['sanitizer']}", flush=True)
        result["goldens"].append(found)
        keep()
    for shape in plan["shapes"]:
        found = bench_shape(folder, work, shape)
        for test in found["tests"]:
            print(f"{found['name']}: {json.dumps({k: test.get(k) for k in ('n_prompt', 'n_gen', 'n_depth', 'avg_ts', 'moved_bytes_per_s', 'flops_per_s', 'error')})}",
                  flush=True)
        failures += any("error" in test for test in found["tests"])
        result["shapes"].append(found)
        keep()
    shutil.rmtree(work)
    print(f"{out}: {failures} golden models or shapes failed")
    sys.exit(1 if failures else 0)


main()
