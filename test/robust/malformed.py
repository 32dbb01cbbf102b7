#!/usr/bin/env python3
"""Broken checkpoints: each must be refused with exit 1 to 3 and one message that names what is wrong, without a crash, a
hang, an output file or an allocation by an unchecked number (a limit on address space turns those into failures).

The cases made here break the smallest golden one field at a time. With --shared FOLDER the published set of that folder
(goldens/malformed/make_malformed.py) runs as well, all but its GGUF files.
"""
import json
import os
import shutil
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import gmtest  # noqa: E402

BASE = os.path.join(gmtest.GOLDENS, "gemma3-tiny")
ADDRESS_SPACE = 12_000_000_000
WEIGHTS = "model.safetensors"
TENSOR = "model.layers.0.self_attn.q_proj.weight"


def split_weights():
    with open(os.path.join(BASE, WEIGHTS), "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        return json.loads(file.read(size)), file.read()


def weights_file(header, data, length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def with_entry(name, **fields):
    header, data = split_weights()
    header[name] = {**header[name], **fields}
    return weights_file(header, data)


def without_tensor(name):
    header, data = split_weights()
    del header[name]
    return weights_file(header, data)


def changed_json(name, change):
    value = gmtest.read_json(os.path.join(BASE, name))
    change(value)
    return json.dumps(value, ensure_ascii=False).encode()


def config(**fields):
    return {"config.json": changed_json("config.json", lambda value: value.update(fields))}


def own_cases():
    """[(name, {file: new bytes, or None to remove it}, words of which each must be in the message)]"""
    header, data = split_weights()
    whole = weights_file(header, data)
    (begin, end), shape = header[TENSOR]["data_offsets"], header[TENSOR]["shape"]
    cases = [
        ("control", {}, None),
        ("weights-absent", {WEIGHTS: None}, ["safetensors"]),
        ("weights-empty", {WEIGHTS: b""}, [WEIGHTS]),
        ("weights-7-bytes", {WEIGHTS: whole[:7]}, [WEIGHTS]),
        ("weights-cut", {WEIGHTS: whole[:-1000]}, [WEIGHTS]),
        ("header-length-huge", {WEIGHTS: weights_file(header, data, 2**63)}, [WEIGHTS, "header"]),
        ("header-length-beyond", {WEIGHTS: weights_file(header, data, len(whole))}, [WEIGHTS, "header"]),
        ("header-deep", {WEIGHTS: weights_file(b'{"a":' + b"[" * 300_000, data)}, [WEIGHTS]),
        ("header-twice", {WEIGHTS: weights_file(
            b'{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}',
            b"")}, [WEIGHTS]),
        ("offsets-reversed", {WEIGHTS: with_entry(TENSOR, data_offsets=[end, begin])}, [WEIGHTS, TENSOR]),
        ("offsets-beyond", {WEIGHTS: with_entry(TENSOR, data_offsets=[10**12, 10**12 + end - begin])}, [WEIGHTS, TENSOR]),
        ("offsets-overflow", {WEIGHTS: with_entry(TENSOR, data_offsets=[2**64 - 8, 2**64 - 4])}, [WEIGHTS, TENSOR]),
        ("shape-overflow", {WEIGHTS: with_entry(TENSOR, shape=[2**33, 2**33])}, [WEIGHTS, TENSOR]),
        ("shape-other", {WEIGHTS: with_entry(TENSOR, shape=shape[::-1] if shape[0] != shape[1] else [1, *shape])}, [TENSOR]),
        ("dtype-unknown", {WEIGHTS: with_entry(TENSOR, dtype="F13")}, [WEIGHTS, TENSOR, "F13"]),
        ("tensor-absent", {WEIGHTS: without_tensor(TENSOR)}, [WEIGHTS, "belong to no tensor"]),
        ("config-absent", {"config.json": None}, ["config.json"]),
        ("config-cut", {"config.json": b'{"model_type": "gemma3_text", '}, ["config.json"]),
        ("config-deep", {"config.json": b'{"a":' + b"[" * 300_000}, ["config.json"]),
        ("config-layers-huge", config(num_hidden_layers=2**40), ["config.json"]),
        ("config-layers-negative", config(num_hidden_layers=-1), ["config.json", "num_hidden_layers"]),
        ("config-hidden-huge", config(hidden_size=2**62), ["config.json|" + TENSOR + "|hidden_size|embed_tokens"]),
        ("config-vocabulary-float", config(vocab_size=2048.5), ["config.json", "vocab_size"]),
        ("config-heads-text", config(num_attention_heads="four"), ["config.json", "num_attention_heads"]),
        ("config-family", config(model_type="llama"), ["config.json", "model_type", "llama"]),
        ("tokenizer-cut", {"tokenizer.json": b'{"model": {"vocab": {"a": 0'}, ["tokenizer.json"]),
        ("tokenizer-id-huge", {"tokenizer.json": changed_json(
            "tokenizer.json", lambda t: t["model"]["vocab"].update({next(iter(t["model"]["vocab"])): 2**31}))},
         ["tokenizer.json"]),
        ("index-escapes", {WEIGHTS: None, WEIGHTS + ".index.json": json.dumps(
            {"weight_map": {name: "../elsewhere.safetensors" for name in header}}).encode()}, ["index.json"]),
        ("config-is-a-folder", {"config.json": ...}, ["config.json"]),
    ]
    return cases


def make_checkpoint(folder, name, files):
    path = os.path.join(folder, name)
    shutil.copytree(BASE, path, ignore=shutil.ignore_patterns("expected"), copy_function=shutil.copyfile)
    for file_name, content in files.items():
        target = os.path.join(path, file_name)
        if os.path.exists(target):
            os.remove(target)
        if content is ...:
            os.makedirs(target)
        elif content is not None:
            with open(target, "wb") as file:
                file.write(content)
    return path


def check(tally, compiler, folder, name, path, mention, accepted, address_space):
    """`mention`: each entry must be in the message, in any of the spellings between |."""
    out = os.path.join(folder, "out")
    before = set(os.listdir(folder))
    result = compiler(path, out, preexec_fn=gmtest.limits(address_space=address_space))
    left = sorted(set(os.listdir(folder)) - before)
    if accepted:
        tally.check(result.code == 0, f"control {name}", result.brief())
        if os.path.exists(out):
            os.remove(out)
        return
    message = result.err.lower()
    missing = [m for m in mention if not any(part.lower() in message for part in m.split("|"))]
    tally.check(result.code in (1, 2, 3) and result.out == b"", f"{name}: refused", result.brief())
    tally.check(not missing, f"{name}: message", f"not mentioned {missing}: {result.brief()}")
    tally.check(not left, f"{name}: nothing left behind", str(left))
    tally.check(result.err.count("error:") == 1, f"{name}: one message", result.brief())


def check_overflow(tally, compiler, folder):
    """A finite weight that the packed type cannot hold."""
    header, data = split_weights()
    changed = bytearray(data)
    begin = header[TENSOR]["data_offsets"][0]
    size, value = {"F32": (4, struct.pack("<f", 3e38)), "BF16": (2, b"\x62\x7f")}[header[TENSOR]["dtype"]]
    changed[begin:begin + size] = value
    path = make_checkpoint(folder, "own-overflow", {WEIGHTS: weights_file(header, bytes(changed))})
    for quantize in ("q8", "q4"):
        result = compiler(path, os.path.join(folder, "out"), f"--quantize={quantize}")
        tally.check(result.code == 1 and TENSOR in result.err and "can hold" in result.err, f"own-overflow {quantize}",
                    result.brief())


def check_dangling(tally, compiler, folder):
    """Optional files that are links to nothing are not taken for absent."""
    for name in ("generation_config.json", "tokenizer_config.json", "chat_template.jinja"):
        path = make_checkpoint(folder, "own-dangling-" + name, {name: None})
        for other in ("chat_template.jinja", "chat_template.json"):
            if os.path.exists(os.path.join(path, other)):
                os.remove(os.path.join(path, other))
        os.symlink("nowhere", os.path.join(path, name))
        result = compiler(path, os.path.join(folder, "out"))
        tally.check(result.code == 1 and name in result.err and "link" in result.err, f"own-dangling-{name}", result.brief())


def check_published(tally, compiler, folder, shared, address_space):
    made = os.path.join(folder, "published")
    script = os.path.join(shared, "goldens", "malformed", "make_malformed.py")
    result = gmtest.run([sys.executable, script, "--out", made])
    if not tally.check(result.code == 0, "make_malformed.py", result.brief()):
        return
    for case in gmtest.read_json(os.path.join(made, "manifest.json"))["cases"]:
        if case["path"].endswith(".gguf"):
            continue
        maybe = "ok" in case["class"].split("|") and not case.get("accept")
        if maybe and compiler(os.path.join(made, case["path"]), os.path.join(folder, "maybe")).code == 0:
            os.remove(os.path.join(folder, "maybe"))
            continue
        check(tally, compiler, folder, case["id"], os.path.join(made, case["path"]), case["mention"],
              bool(case.get("accept")), address_space)


def main():
    parser = gmtest.arguments(__doc__)
    parser.add_argument("--shared", help="folder with goldens/malformed")
    parser.add_argument("--no-limit", action="store_true", help="no limit on address space (for sanitizer builds)")
    args = parser.parse_args()
    tally, compiler = gmtest.start(args)
    compiler.timeout = 120
    address_space = None if args.no_limit else ADDRESS_SPACE
    with gmtest.work_folder(args) as folder:
        for name, files, mention in own_cases():
            path = make_checkpoint(folder, "own-" + name, files)
            check(tally, compiler, folder, "own-" + name, path, mention or [], mention is None, address_space)
        check_overflow(tally, compiler, folder)
        check_dangling(tally, compiler, folder)
        if args.shared:
            check_published(tally, compiler, folder, args.shared, address_space)
    tally.finish()


main()
