#!/usr/bin/env python3
"""Makes test/Inputs/goldens and test/Inputs/psalter from the full set of reference checkpoints.

    import_goldens.py SHARED        SHARED/goldens and SHARED/models/psalter

Of each text case it takes the checkpoint, prompts, the measured deviations, the logits of every prompt's last token
and of every token of one prompt. Of the multimodal case it takes the
text prompt only. Hidden states, GGUF files and media stay behind: they are large, and the tests that read them run
against the full set. Deterministic: the same input gives the same bytes.
"""
import argparse
import json
import os
import shutil
import struct

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
TEXT_CASES = ["e2b-tiny", "e4b-tiny", "a4b-tiny", "gemma3-tiny"]
MULTIMODAL_CASE = "unified-tiny"
CHECKPOINT_FILES = [
    "chat_template.jinja", "config.json", "generation_config.json", "model.safetensors", "processor_config.json",
    "special_tokens_map.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json",
]


def read_tensors(path):
    """safetensors file -> {name: float32 array}; other types are left out."""
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        data = file.read()
    return {name: np.frombuffer(data[slice(*entry["data_offsets"])], np.float32).reshape(entry["shape"])
            for name, entry in header.items() if name != "__metadata__" and entry["dtype"] == "F32"}


def write_tensors(path, tensors):
    header, offset = {}, 0
    for name in sorted(tensors):
        size = tensors[name].nbytes
        header[name] = {"dtype": "F32", "shape": list(tensors[name].shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in sorted(tensors):
            file.write(np.ascontiguousarray(tensors[name]).tobytes())


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1, ensure_ascii=False)
        file.write("\n")


def copy_checkpoint(source, target):
    shutil.rmtree(target, ignore_errors=True)
    os.makedirs(os.path.join(target, "expected"))
    for name in CHECKPOINT_FILES:
        if os.path.exists(os.path.join(source, name)):
            shutil.copyfile(os.path.join(source, name), os.path.join(target, name))
    return os.path.join(source, "expected"), os.path.join(target, "expected")


def import_text_case(source, target):
    old, new = copy_checkpoint(source, target)
    for name in ("meta.json", "prompts.json", "logits_last.safetensors"):
        shutil.copyfile(os.path.join(old, name), os.path.join(new, name))
    rows = read_tensors(os.path.join(old, "logits_all.safetensors"))
    write_tensors(os.path.join(new, "logits_rows.safetensors"), rows)


def import_multimodal_case(source, target):
    old, new = copy_checkpoint(source, target)
    with open(os.path.join(old, "prompts.json"), encoding="utf-8") as file:
        prompt = next(p for p in json.load(file) if p["name"] == "text")
    write_json(os.path.join(new, "prompts.json"), [{"name": "text", "ids": prompt["input_ids"]}])
    logits = read_tensors(os.path.join(old, "outputs.safetensors"))["text.logits_last"]
    write_tensors(os.path.join(new, "logits_last.safetensors"), {"text": logits.reshape(-1)})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared")
    shared = parser.parse_args().shared
    for case in TEXT_CASES:
        import_text_case(os.path.join(shared, "goldens", case), os.path.join(HERE, "goldens", case))
    import_multimodal_case(os.path.join(shared, "goldens", MULTIMODAL_CASE),
                           os.path.join(HERE, "goldens", MULTIMODAL_CASE))
    shutil.rmtree(os.path.join(HERE, "psalter"), ignore_errors=True)
    shutil.copytree(os.path.join(shared, "models", "psalter"), os.path.join(HERE, "psalter"),
                    copy_function=shutil.copyfile)
    os.chmod(os.path.join(HERE, "psalter"), 0o755)


main()
