"""What a file is by its bytes, and whether it is whole."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtmc.errors import VideoError
from mtmc.video_files import AVI, MKV, MP4, TS, examine, fingerprint


def box(name: bytes, payload: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(payload), name) + payload


def element(name: int, payload: bytes, size: int | None = None) -> bytes:
    """An EBML element with an eight-byte size; `size` other than the payload's, None for itself, -1 for unknown."""
    length = len(payload) if size is None else size
    code = (1 << 56) | ((1 << 56) - 1 if length == -1 else length)
    return name.to_bytes((name.bit_length() + 7) // 8, "big") + code.to_bytes(8, "big") + payload


EBML = element(0x1A45DFA3, b"\x42\x82\x84webm")
CLUSTER = 0x1F43B675
SEGMENT = 0x18538067

CASES = {
    "whole mp4": (box(b"ftyp") + box(b"mdat", bytes(50)) + box(b"moov", bytes(9)), MP4, False),
    "mp4 without moov": (box(b"ftyp") + box(b"mdat", bytes(50)), MP4, True),
    "mp4 cut in mdat": ((box(b"ftyp") + box(b"moov") + box(b"mdat", bytes(50)))[:-5], MP4, True),
    "mp4, mdat to the end": (box(b"ftyp") + box(b"moov") + struct.pack(">I4s", 0, b"mdat") + bytes(9), MP4, False),
    "mp4, 64-bit sizes": (box(b"moov") + struct.pack(">I4sQ", 1, b"mdat", 16 + 9) + bytes(9), MP4, False),
    "mp4, 64-bit size cut": (box(b"moov") + struct.pack(">I4sQ", 1, b"mdat", 1 << 40) + bytes(9), MP4, True),
    "mp4, longer than any file": (box(b"moov") + struct.pack(">I4sQ", 1, b"mdat", (1 << 64) - 9) + bytes(9), MP4, True),
    "mp4, impossible box": (box(b"ftyp") + struct.pack(">I4s", 3, b"mdat"), MP4, False),
    "whole mkv": (EBML + element(SEGMENT, element(CLUSTER, bytes(40))), MKV, False),
    "mkv cut": (EBML + element(SEGMENT, bytes(40), size=50), MKV, True),
    "mkv never closed, whole clusters": (EBML + element(SEGMENT, element(CLUSTER, bytes(40)), size=-1), MKV, False),
    "mkv never closed, cut cluster": (EBML + element(SEGMENT, element(CLUSTER, bytes(40), 90), size=-1), MKV, True),
    "mkv never closed, open cluster": (EBML + element(SEGMENT, element(CLUSTER, bytes(40), -1), size=-1), MKV, False),
    "whole avi": (b"RIFF" + struct.pack("<I", 24) + b"AVI " + bytes(20), AVI, False),
    "avi of two parts, second cut": (
        b"RIFF" + struct.pack("<I", 8) + b"AVI " + bytes(4) + b"RIFF" + struct.pack("<I", 99) + b"AVIX" + bytes(4),
        AVI,
        True,
    ),
    "avi never closed": (b"RIFF" + struct.pack("<I", 0) + b"AVI " + bytes(20), AVI, True),
    "avi cut": (b"RIFF" + struct.pack("<I", 90) + b"AVI " + bytes(20), AVI, True),
    "whole ts": ((b"G" + bytes(187)) * 5, TS, False),
    "ts cut": ((b"G" + bytes(187)) * 5 + b"G" + bytes(50), TS, True),
    "m2ts": ((bytes(4) + b"G" + bytes(187)) * 5, TS, False),
}


@pytest.mark.parametrize("case", CASES)
def test_endings(tmp_path: Path, case: str) -> None:
    data, kind, cut = CASES[case]
    path = tmp_path / "v"
    path.write_bytes(data)
    ending = examine(path)
    assert (ending.kind, ending.cut) == (kind, cut)
    assert bool(ending.sentence) == (cut or "impossible" in case)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"hello\n", "a text file"),
        (b"#EXTM3U\n/etc/passwd", "playlist"),
        (b"\xef\xbb\xbf#EXTM3U\n", "playlist"),
        (b"ffconcat version 1.0\nfile x", "playlist"),
        (b"\x00\x01\x02", "no known"),
    ],
)
def test_what_is_no_video(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "v.mp4"
    path.write_bytes(data)
    with pytest.raises(VideoError, match=words):
        examine(path)


def test_an_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "v.mp4"
    path.write_bytes(CASES["whole mp4"][0])

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)  # tests may run as root, whom no mode bits stop
    with pytest.raises(VideoError, match="Permission denied"):
        examine(path)


def test_fingerprint_changes_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    path.write_bytes(b"1")
    before = fingerprint(path)
    assert fingerprint(path) == before
    path.write_bytes(b"12")
    assert fingerprint(path) != before


heads = st.sampled_from([data for data, _, _ in CASES.values()])


@settings(max_examples=300, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(heads, st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), max_size=8), st.integers(0, 300))
def test_any_bytes_get_an_answer(tmp_path: Path, head: bytes, changes: list[tuple[int, int]], length: int) -> None:
    data = bytearray(head)
    for place, value in changes:
        if place < len(data):
            data[place] = value
    path = tmp_path / "v"
    path.write_bytes(bytes(data[:length]))
    try:
        answer = examine(path).kind
    except VideoError as error:
        answer = str(error)
    assert answer in (MP4, MKV, AVI, TS) or "expected a video" in answer
