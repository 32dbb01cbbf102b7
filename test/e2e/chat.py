#!/usr/bin/env python3
"""Chat templates from checkpoint to answer.

  render     the golden conversations, by executables of a large and a small model, byte for byte
  prompt     -p with --system and --think is --ids of the rendered and tokenized conversation
  chat       each answer of a long chat is the one that its whole history gives when it is computed anew: windows slide,
             caches are kept or not
  stops      both configs' stop ids end an answer; suppress_tokens are never drawn
  compile    --chat-template, and templates that are refused, by name and without an output
"""
import json
import os
import shutil

import gmtest

GREEDY = ["--temp", "0", "--no-perf"]


def conversations():
    return gmtest.read_json(os.path.join(gmtest.INPUTS, "template", "conversations.json"))


def render(exe, messages, tools=(), **options):
    data = {"messages": messages, "tools": list(tools), "options": options}
    return gmtest.run([exe, "render"], stdin=json.dumps(data).encode())


def ids_of(exe, text):
    result = gmtest.run([exe, "tokenize"], stdin=json.dumps({"text": text}).encode() + b"\n")
    return json.loads(result.text)["ids"]


def check_render(tally, exe, key):
    for c in conversations():
        result = render(exe, c["messages"], c["tools"], **c["options"])
        tally.check(result.code == 0 and result.out.decode() == c[key] and not result.err, f"{key} {c['name']}",
                    f"{result.brief()} got {result.out[-120:]!r} expected {c[key][-120:]!r}")


def check_prompt(tally, exe):
    for think, system in ((None, None), ("on", None), ("off", "Be brief."), ("on", "Be brief.")):
        flags = (["--think", think] if think else []) + (["--system", system] if system else [])
        messages = ([{"role": "system", "content": system}] if system else []) + [{"role": "user", "content": "Hi <b>"}]
        options = {"enable_thinking": think == "on"} if think else {}
        text = render(exe, messages, **options).out.decode()
        ids = ids_of(exe, text)
        tally.check(ids[0] == 2 and ids.count(2) == 1, f"one <bos> {flags}", str(ids[:4]))
        got = gmtest.run([exe, "-p", "Hi <b>", *flags, "-n", "12", "--ignore-eos", "--print-ids", *GREEDY])
        want = gmtest.run([exe, "--ids", gmtest.join_ids(ids), "-n", "12", "--ignore-eos", "--print-ids", *GREEDY])
        tally.check(got.code == 0 and got.out == want.out, f"prompt {flags}", f"{got.brief()} {got.out} {want.out}")


def check_chat(tally, exe, name):
    """The history is rebuilt here from what was answered. Random models say anything, so answers are cut by -n."""
    lines = ["Hi", "And then?", "Tell me more of it, please, and at length: " + "word " * 40, "Why", "So " * 90, "End"]
    count = ["-n", "9", "--ignore-eos", *GREEDY]
    result = gmtest.run([exe, "chat", *count], stdin=("\n".join(lines) + "\n").encode())
    # Answers may hold line ends: they are taken off one by one, each as long as the one that is expected.
    left, messages = result.out.decode(), []
    for line in lines:
        messages.append({"role": "user", "content": line})
        ids = ids_of(exe, render(exe, messages).out.decode())
        want = gmtest.run([exe, "--ids", gmtest.join_ids(ids), *count]).out.decode()
        answer = strip_thoughts(want)
        if not tally.check(left.startswith(answer + "\n"), f"{name} chat: {line[:20]!r} after {len(ids)} tokens",
                           f"{result.brief()} got {left[:80]!r} expected {answer!r}"):
            return
        left = left[len(answer) + 1:]
        messages.append({"role": "assistant", "content": answer})
    tally.check(result.code == 0 and left == "", f"{name} chat ends", f"{result.brief()} left {left!r}")


def strip_thoughts(text):
    out, thinking = "", False
    while text:
        cut = min([i for i in (text.find("<|channel>"), text.find("<channel|>")) if i >= 0], default=len(text))
        out += "" if thinking else text[:cut]
        thinking = text[cut:].startswith("<|channel>")
        text = text[cut + 10:]
    return out


def changed(source, folder, name, **files):
    """A copy of a checkpoint in which some JSON files have other fields; None takes one away."""
    target = os.path.join(folder, name)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("expected", "gguf"))
    for file, fields in files.items():
        path = os.path.join(target, file + ".json")
        data = gmtest.read_json(path) if os.path.exists(path) else {}
        data.update(fields)
        with open(path, "w", encoding="utf-8") as out:
            json.dump(data, out)
    return target


def check_stops(tally, compiler, folder, source, exe):
    info = json.loads(gmtest.run([exe, "info", "--json"]).text)
    tally.check(sorted(info["eos"]) == [1, 50, 106], "stop ids of both configs", str(info["eos"]))
    first, why = gmtest.generate(exe, [2, 105], 6)
    if not tally.check(first is not None and len(first) == 6, "greedy ids", why or str(first)):
        return
    model = changed(source, folder, "stops", config={"eos_token_id": [1]},
                    generation_config={"eos_token_id": [first[2]], "suppress_tokens": [first[0]]})
    other = os.path.join(folder, "stops-exe")
    if not compiler.build(tally, "other stop ids", model, other):
        return
    info = json.loads(gmtest.run([other, "info", "--json"]).text)
    tally.check(sorted(info["eos"]) == sorted({1, first[2]}) and info["suppress"] == [first[0]], "ids in the manifest",
                f"{info['eos']} {info['suppress']}")
    for flags in (["--temp", "0"], ["--temp", "5", "--top-k", "2", "--seed", "3"], ["--temp", "9", "--top-k", "0", "--top-p", "1"]):
        got = gmtest.run([other, "--ids", "2,105", "-n", "40", "--ignore-eos", "--print-ids", "--no-perf", *flags])
        drawn = json.loads(got.text)
        tally.check(len(drawn) == 40 and first[0] not in drawn, f"suppressed {flags}", str(drawn))
    ids = gmtest.join_ids([2, 105, *first[:2]])
    got = gmtest.run([other, "--ids", ids, "-n", "4", "--temp", "0", "--print-ids", "--no-perf"])
    tally.check(got.out == b"[]\n", "a stop id ends the answer", f"{got.brief()} {got.out}")


def check_compile(tally, compiler, folder, source):
    mine, out = os.path.join(folder, "mine.jinja"), os.path.join(folder, "mine")
    with open(mine, "w", encoding="utf-8") as file:
        file.write("{{ bos_token }}{% for m in messages %}[{{ m.role|upper }}]{{ m.content }}{% endfor %}\n")
    if compiler.build(tally, "--chat-template", source, out, f"--chat-template={mine}"):
        result = render(out, [{"role": "user", "content": "é"}])
        tally.check(result.out.decode() == "<bos>[USER]é", "--chat-template is used", f"{result.brief()} {result.out}")
    never = os.path.join(folder, "never")
    bad = [("a\n{{ x|groupby('y') }}", ["line 2, column 6", "the filter 'groupby'"]), ("{% include 'x' %}", ["the tag 'include'"]),
           ("{% if x %}", ["line 1, column 4", "'endif'"]), ("{{ x.append(1) }}", ["the method 'append'"]), ("\xff", [])]
    model = changed(source, folder, "bad")
    for text, named in bad:
        with open(os.path.join(model, "chat_template.jinja"), "w", encoding="utf-8") as file:
            file.write(text)
        result = compiler(model, never)
        ok = text == "\xff" or (result.code == 1 and all(n in result.err for n in [*named, "chat_template.jinja"]))
        tally.check(ok and (result.code == 0) == os.path.exists(never), f"template {text!r}", result.brief())
        if os.path.exists(never):
            os.remove(never)
    result = compiler(source, never, f"--chat-template={folder}/absent.jinja")
    tally.check(result.code == 1 and "absent.jinja" in result.err and not os.path.exists(never), "an absent template", result.brief())


def main():
    args = gmtest.arguments(__doc__).parse_args()
    tally, compiler = gmtest.start(args)
    with gmtest.work_folder(args) as folder:
        for name, key in (("a4b-tiny", "large"), ("e2b-tiny", "small")):
            source, exe = os.path.join(gmtest.GOLDENS, name), os.path.join(folder, name)
            if compiler.build(tally, name, source, exe, "--compute=f32", "--kv=f32"):
                check_render(tally, exe, key)
                check_prompt(tally, exe)
                check_chat(tally, exe, name)
        source, exe = os.path.join(gmtest.GOLDENS, "e2b-tiny"), os.path.join(folder, "e2b-tiny")
        if os.path.exists(exe):
            check_stops(tally, compiler, folder, source, exe)
            check_compile(tally, compiler, folder, source)
    tally.finish()


main()
