"""What a video file is by its own bytes, and whether it ends where its structure says, found without decoding.

A cut MKV, fragmented MP4 or transport stream is read by FFmpeg without any error (150 of 250 frames), so that only
the structure tells: box sizes (MP4, MOV), the segment's size (MKV), RIFF sizes (AVI), whole packets (TS).
"""

from __future__ import annotations

import os
import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mtmc.errors import VideoError

MP4, MKV, AVI, TS, PLAYLIST, TEXT, EMPTY, UNKNOWN = "MP4", "MKV", "AVI", "TS", "playlist", "text", "empty", "unknown"

_MP4_FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"moof", b"styp", b"sidx", b"pnot")
_EBML, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
_TS_PACKETS = {188: 0, 192: 4, 204: 0}  # bytes a packet → where its sync byte stands
# A crafted file of eight-byte boxes must not keep us busy.
_MAX_BOXES = 1_000_000


@dataclass(frozen=True)
class Ending:
    """kind: what the file is by its first bytes. cut: whether it ends too early. sentence: what is wrong, or ""."""

    kind: str
    cut: bool
    sentence: str


def fingerprint(path: Path) -> tuple[int, int]:
    """Size in bytes and time of change of a regular file. `VideoError` for others: a FIFO would hang for ever."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise VideoError(path, "a video file", error.strerror or str(error)) from error
    if not stat.S_ISREG(status.st_mode):
        found = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe, socket or device"
        raise VideoError(path, "a regular video file", found)
    return status.st_size, status.st_mtime_ns


def examine(path: Path) -> Ending:
    """Look at a file's structure. Raises `VideoError` where it cannot be read or is no video."""
    size, _ = fingerprint(path)
    try:
        ending = _ending(path, size)
    except OSError as error:
        raise VideoError(path, "a file that can be read", error.strerror or str(error)) from error
    if ending.kind not in (MP4, MKV, AVI, TS):
        raise VideoError(path, "a video (MP4, MOV, MKV, AVI or TS)", ending.sentence)
    return ending


def _ending(path: Path, size: int) -> Ending:
    with open(path, "rb") as file:
        head = file.read(1024)
        kind = _kind(head)
        if kind == MP4:
            return _walk_mp4(file, size)
        if kind == MKV:
            return _walk_mkv(file, size)
        if kind == AVI:
            return _walk_avi(file, size)
    if kind == TS:
        packet = _ts_packet(head)
        rest = size % packet
        return Ending(TS, bool(rest), f"its last packet has {rest} of {packet} bytes" if rest else "")
    sentences = {EMPTY: "the file is empty", TEXT: "a text file", UNKNOWN: "bytes of no known video format",
                 PLAYLIST: "a playlist that names other files"}
    return Ending(kind, False, sentences[kind])


def _kind(head: bytes) -> str:
    if not head:
        return EMPTY
    if head[4:8] in _MP4_FIRST_BOXES:
        return MP4
    if head[:4] == _EBML.to_bytes(4, "big"):
        return MKV
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return AVI
    if _ts_packet(head):
        return TS
    if head.lstrip(b"\xef\xbb\xbf").startswith((b"#EXTM3U", b"ffconcat")):
        return PLAYLIST
    return TEXT if all(byte >= 32 or byte in b"\t\r\n" for byte in head) else UNKNOWN


def _ts_packet(head: bytes) -> int:
    for packet, sync in _TS_PACKETS.items():
        places = range(sync, min(len(head), sync + 3 * packet), packet)
        if len(head) > sync and all(head[place] == 0x47 for place in places):
            return packet
    return 0


def _too_short(missing: int) -> str:
    return f"the file ends {missing} bytes too early"


def _walk_mp4(file: BinaryIO, size: int) -> Ending:
    position, found = 0, set()
    for _ in range(_MAX_BOXES):
        if position > size:
            break  # a damaged length may point beyond what a file can hold at all
        file.seek(position)
        header = file.read(16)
        if len(header) < 8:
            break
        length, name = struct.unpack_from(">I4s", header)
        if length == 1 and len(header) == 16:
            length = struct.unpack_from(">Q", header, 8)[0]
        elif length == 0:
            length = size - position  # to the end of the file
        if length < 8:
            return Ending(MP4, False, f"a box of impossible size at byte {position}")
        found.add(name)
        position += length
    if b"moov" not in found:
        return Ending(MP4, True, "its index (moov) is missing: the recording or the copy was cut short")
    return Ending(MP4, position > size, _too_short(position - size) if position > size else "")


def _walk_avi(file: BinaryIO, size: int) -> Ending:
    position = 0
    for _ in range(_MAX_BOXES):
        file.seek(position)
        header = file.read(8)
        if len(header) < 8 or header[:4] != b"RIFF":
            break  # anything after the last RIFF chunk is no video
        length = struct.unpack_from("<I", header, 4)[0]
        if length == 0:
            return Ending(AVI, True, "its header was never completed: the recording was cut short")
        position += 8 + length + length % 2
    missing = position - size
    return Ending(AVI, missing > 1, _too_short(missing) if missing > 1 else "")


def _walk_mkv(file: BinaryIO, size: int) -> Ending:
    position = 0
    for _ in range(_MAX_BOXES):
        file.seek(position)
        header = file.read(12)
        element = _ebml_element(header)
        if element is None:
            break
        name, length, start = element
        if length is None:
            if name != _SEGMENT:
                break  # a cluster of unknown size: only decoding can tell
            position += start  # look at what the open segment holds
            continue
        end = position + start + length
        if end > size:
            return Ending(MKV, True, _too_short(end - size))
        position = end
    return Ending(MKV, False, "")


def _ebml_element(header: bytes) -> tuple[int, int | None, int] | None:
    """(id, size or None where unknown, bytes of the header) of the element at the start of `header`."""
    if not header or header[0] < 0x10:
        return None
    id_bytes = 9 - header[0].bit_length()
    if len(header) <= id_bytes or not header[id_bytes]:
        return None
    size_bytes = 9 - header[id_bytes].bit_length()
    raw = header[id_bytes:id_bytes + size_bytes]
    if len(raw) < size_bytes:
        return None
    ones = (1 << 7 * size_bytes) - 1
    length = int.from_bytes(raw, "big") & ones
    return int.from_bytes(header[:id_bytes], "big"), None if length == ones else length, id_bytes + size_bytes
