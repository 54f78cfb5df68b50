"""Files changed at random, always the same way for the same seed: bytes of binary files, lines and values of text."""

from __future__ import annotations

import random

_HEAD = 4096
_VALUES = (
    "nan", "-nan", "inf", "-inf", "1e999", "-1", "0", "-0.0", "1e-320", "9" * 400, "9" * 5000, "0x10", "1_000", "१२",
    "", "null", "~", "true", "no", "'", '"', "{", "}", "[", "]", "*a", "&a", "!!python/object:os.system", "!!binary x",
    "%", "2001-13-45", "12:60:60", "?", "- -", "\t", "\0", "\r", "\u2028", "\ud800", "../../etc/passwd", "/dev/zero",
    "a" * 3000, "rtsp://u:p@h/x", ".inf", "1e3", "=1+1", "\ufeff", "<x>", "#", ",", ";", ":",
)  # fmt: skip


def mutate_bytes(data: bytes, seed: int) -> bytes:
    """`data` with bytes overwritten, a stretch cut off, doubled, zeroed, removed or put elsewhere."""
    chance, changed = random.Random(seed), bytearray(data)
    kind = chance.choice(("any", "any", "head", "head", "cut", "double", "zero", "remove", "move"))
    reach = len(changed) if kind != "head" else min(_HEAD, len(changed))
    for _ in range(chance.choice((1, 5, 50, 500))):
        changed[chance.randrange(reach)] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
    start = chance.randrange(len(changed))
    length = chance.randrange(1, 5000)
    if kind == "cut":
        del changed[start:]
    elif kind == "double":
        changed[start:start] = changed[max(0, start - length) : start]
    elif kind == "zero":
        changed[start : start + length] = bytes(len(changed[start : start + length]))
    elif kind == "remove":
        del changed[start : start + length]
    elif kind == "move":
        part = changed[start : start + length]
        del changed[start : start + length]
        changed[chance.randrange(len(changed) + 1) :][:0] = part
    return bytes(changed)


def mutate_text(data: bytes, seed: int) -> bytes:
    """Text with values replaced, lines and fields dropped, doubled, swapped or joined; now and then as bytes."""
    chance = random.Random(seed)
    if chance.random() < 0.15:
        return mutate_bytes(data, seed)
    lines = data.decode().split("\n")
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        row = chance.randrange(len(lines))
        kind = chance.choice(("value", "value", "value", "insert", "drop", "double", "swap", "join", "characters"))
        if kind == "value":
            lines[row] = _other_value(lines[row], chance)
        elif kind == "insert":
            place = chance.randrange(len(lines[row]) + 1)
            lines[row] = lines[row][:place] + chance.choice(_VALUES) + lines[row][place:]
        elif kind == "drop" and len(lines) > 1:
            del lines[row]
        elif kind == "double":
            lines.insert(row, lines[row])
        elif kind == "swap":
            other = chance.randrange(len(lines))
            lines[row], lines[other] = lines[other], lines[row]
        elif kind == "join" and row + 1 < len(lines):
            lines[row : row + 2] = [lines[row] + lines[row + 1]]
        elif kind == "characters":
            lines[row] = "".join(c if chance.random() > 0.1 else chr(chance.randrange(1, 256)) for c in lines[row])
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def _other_value(line: str, chance: random.Random) -> str:
    """`line` with one of its words, numbers or names replaced."""
    marks = ",:= {}[]\"\t"
    places = [i for i, c in enumerate(line) if c in marks]
    edges = [-1, *places, len(line)]
    at = chance.randrange(len(edges) - 1)
    return line[: edges[at] + 1] + chance.choice(_VALUES) + line[edges[at + 1] :]
