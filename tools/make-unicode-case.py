#!/usr/bin/env python3
"""Writes runtime/UnicodeCase.inc: the case mappings that Python's str.upper(), lower() and title() have, as ranges.

usage: tools/make-unicode-case.py > runtime/UnicodeCase.inc
"""
import sys, unicodedata


def ranges(convert):
    """(first, last, step, delta): every step-th code point of first..last moves by delta."""
    out = []
    for c in range(0x80, 0x110000):
        if 0xD800 <= c < 0xE000: continue
        to = convert(chr(c))
        if len(to) != 1 or to == chr(c): continue
        delta = ord(to) - c
        if out and out[-1][3] == delta and c - out[-1][1] <= 2 and (out[-1][2] in (0, c - out[-1][1])):
            out[-1][2] = c - out[-1][1]; out[-1][1] = c
        else: out.append([c, c, 0, delta])
    return [(a, b, s or 1, d) for a, b, s, d in out]


def specials(convert, plain):
    return [(c, convert(chr(c))) for c in range(0x80, 0x110000) if not 0xD800 <= c < 0xE000
            and (len(convert(chr(c))) != 1 or plain and convert(chr(c)) != plain(chr(c)))]


def table(kind, name, rows):
    print(f"static constexpr {kind} {name}[] = {{")
    line = "   "
    for row in rows:
        if len(line) + len(row) > 108: print(line); line = "   "
        line += " " + row + ","
    print(line + "\n};")


def text(s): return '"' + "".join(f"\\x{b:02x}" for b in s.encode()) + '"'


def unprintable():
    out = []
    for c in range(0x7F, 0x110000):
        if chr(c).isprintable() or unicodedata.category(chr(c)) == "Cn": continue
        if out and out[-1][1] == c - 1: out[-1][1] = c
        else: out.append([c, c])
    return out


print(f"// Written by tools/make-unicode-case.py: Unicode {unicodedata.unidata_version}.")
for name, f in (("kUpper", str.upper), ("kLower", str.lower)):
    table("CaseRange", name, [f"{{{a:#x}, {b:#x}, {s}, {d}}}" for a, b, s, d in ranges(f)])
table("CaseSpecial", "kUpperSpecial", [f"{{{c:#x}, {text(t)}}}" for c, t in specials(str.upper, None)])
table("CaseSpecial", "kLowerSpecial", [f"{{{c:#x}, {text(t)}}}" for c, t in specials(str.lower, None)])
table("CaseSpecial", "kTitleSpecial", [f"{{{c:#x}, {text(str.title(chr(c)))}}}" for c in range(0x80, 0x110000)
                                       if not 0xD800 <= c < 0xE000 and chr(c).title() != chr(c).upper()])
table("CodeRange", "kUnprintable", [f"{{{a:#x}, {b:#x}}}" for a, b in unprintable()])
