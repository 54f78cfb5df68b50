"""An exact entropy coder for bits: range asymmetric numeral systems (Duda 2013), many lanes side by side in NumPy.

A bit is coded as its difference to the bit before it, with a probability that depends on its place and on that bit.
The bits are cut into lanes of equal length which are coded in step, so that Python loops over a lane's length and not
over all bits. The first bit of a lane counts as following a 0.
"""

from __future__ import annotations

import numpy as np

from mtmc.errors import IntegrityError

SCALE_BITS = 12
SCALE = 1 << SCALE_BITS  # probabilities are whole numbers 1 to SCALE - 1
_LOW = np.uint64(1 << 16)  # states stay at or above this, below 2^32
_WORD = np.uint64(16)
_MASK = np.uint64(SCALE - 1)
_SHIFT = np.uint64(SCALE_BITS)
_LANE_BITS = 2048  # a lane costs four bytes: 1.6 % of what this many random bits cost
_MOST_LANES = 4096


def lanes_for(count: int) -> int:
    """How many lanes `count` bits are cut into."""
    return max(1, min(_MOST_LANES, count // _LANE_BITS))


def encode_bits(bits: np.ndarray, rows: np.ndarray, changes: np.ndarray) -> bytes:
    """The bits, uint8 (N,) of 0 and 1, as bytes.

    rows: int64 (N,), the row of `changes` for each bit. changes: uint16 (R, 2), the probability times SCALE that a bit
    differs from the one before it, where that is 0 and where it is 1.
    """
    if not len(bits):
        return b""
    table, lanes = _with_filling(changes), lanes_for(len(bits))
    grid, row_grid = _in_lanes(bits, lanes, 0), _in_lanes(rows, lanes, len(changes))
    previous = np.concatenate([np.zeros((lanes, 1), grid.dtype), grid[:, :-1]], axis=1)
    differs = grid != previous
    chance = table[row_grid, previous].astype(np.uint64)
    states, words = np.full(lanes, _LOW), []
    for step in range(grid.shape[1] - 1, -1, -1):
        changed = differs[:, step]
        size = np.where(changed, chance[:, step], np.uint64(SCALE) - chance[:, step])
        full = states >= size << np.uint64(32 - SCALE_BITS)
        words.append((states[full] & np.uint64(0xFFFF)).astype("<u2"))
        states[full] >>= _WORD
        start = np.where(changed, np.uint64(SCALE) - chance[:, step], np.uint64(0))
        states = (states // size << _SHIFT) + states % size + start
    return states.astype("<u4").tobytes() + np.concatenate(words[::-1]).tobytes()


def decode_bits(data: bytes, rows: np.ndarray, changes: np.ndarray) -> np.ndarray:
    """The bits, uint8 (N,), of `encode_bits` with the same rows (N,) and changes.

    Raises `IntegrityError` where the data are too short or too long, or do not end as they began: they were changed or
    belong to other probabilities.
    """
    count = len(rows)
    if not count:
        return _nothing(data)
    table, lanes = _with_filling(changes), lanes_for(count)
    if len(data) < 4 * lanes or len(data) % 2:
        raise _damaged(f"{len(data)} bytes")
    states = np.frombuffer(data[: 4 * lanes], "<u4").astype(np.uint64)
    words = np.concatenate([np.frombuffer(data[4 * lanes :], "<u2").astype(np.uint64), np.zeros(1, np.uint64)])
    row_grid = _in_lanes(rows, lanes, len(changes))
    grid, previous, read = np.zeros(row_grid.shape, np.uint8), np.zeros(lanes, np.uint8), 0
    for step in range(row_grid.shape[1]):
        chance = table[row_grid[:, step], previous].astype(np.uint64)
        place = states & _MASK
        changed = place >= np.uint64(SCALE) - chance
        size = np.where(changed, chance, np.uint64(SCALE) - chance)
        states = size * (states >> _SHIFT) + place - np.where(changed, np.uint64(SCALE) - chance, np.uint64(0))
        short = np.flatnonzero(states < _LOW)
        if read + len(short) >= len(words):
            raise _damaged("an early end")
        states[short] = (states[short] << _WORD) | words[read : read + len(short)]
        read += len(short)
        previous = previous ^ changed.astype(np.uint8)
        grid[:, step] = previous
    if read != len(words) - 1 or (states != _LOW).any():
        raise _damaged("another end")
    return grid.reshape(-1)[:count]


def change_table(bits: np.ndarray, rows: np.ndarray, row_count: int) -> np.ndarray:
    """uint16 (row_count, 2) for `encode_bits`, counted on N bits that follow each other; rows never seen count as
    even odds."""
    before = np.concatenate([np.zeros(min(len(bits), 1), np.int64), bits[:-1].astype(np.int64)])
    places = rows * 2 + before
    seen = np.bincount(places, minlength=2 * row_count).astype(np.float64)
    differ = np.bincount(places, weights=(bits != before).astype(np.float64), minlength=2 * row_count)
    share = (differ + 0.5) / (seen + 1)  # half a sighting of each: nothing is impossible
    return np.clip(np.rint(share * SCALE), 1, SCALE - 1).astype(np.uint16).reshape(row_count, 2)


def _in_lanes(values: np.ndarray, lanes: int, filling: int) -> np.ndarray:
    steps = -(-len(values) // lanes)
    padded = np.full(lanes * steps, filling, np.int64)
    padded[: len(values)] = values
    return padded.reshape(lanes, steps)


def _with_filling(changes: np.ndarray) -> np.ndarray:
    """A last row for the filling of the last lanes, whose zeros then cost next to nothing."""
    return np.concatenate([changes, np.array([[1, SCALE - 1]], np.uint16)])


def _nothing(data: bytes) -> np.ndarray:
    if data:
        raise _damaged(f"{len(data)} bytes for no bit")
    return np.zeros(0, np.uint8)


def _damaged(found: str) -> IntegrityError:
    return IntegrityError("coded bits", "the bytes as they were written, for these probabilities", found,
                          "Read the archive from another copy.")
