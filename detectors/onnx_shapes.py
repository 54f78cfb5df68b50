"""Another input size for an ONNX file that was exported with a fixed one; only what states sizes is touched.

An ONNX file is protobuf: fields of a number, a wire type and a value; messages lie in fields of type 2. What is not
understood is copied as it is. Whether the network itself can do with another size shows when it is run.
"""

from __future__ import annotations

from collections.abc import Iterator

_GRAPH = 7  # in ModelProto
_INPUT, _OUTPUT, _VALUE_INFO = 11, 12, 13  # in GraphProto
_NAME, _TYPE = 1, 2  # in ValueInfoProto
_TENSOR = 1  # in TypeProto
_ELEMENT, _SHAPE = 1, 2  # in TypeProto.Tensor
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5  # wire types


def with_input_hw(model: bytes, input_hw: tuple[int, int]) -> bytes:
    """The same network for pictures of another height and width: sizes stated for its first input are changed, those
    stated for results are left out. Raises `ValueError` for bytes that are no ONNX file."""
    parts, found = [], False
    for field, kind, raw, content in _fields(model):
        if field == _GRAPH and kind == _BYTES:
            found = True
            raw = _field(_GRAPH, _graph(content, input_hw))
        parts.append(raw)
    if not found:
        raise ValueError("no graph in it")
    return b"".join(parts)


def _graph(graph: bytes, input_hw: tuple[int, int]) -> bytes:
    parts, first = [], True
    for field, kind, raw, content in _fields(graph):
        if field == _VALUE_INFO and kind == _BYTES:
            continue
        if field == _OUTPUT and kind == _BYTES:
            raw = _field(_OUTPUT, _without_shape(content))
        if field == _INPUT and kind == _BYTES and first:
            first = False
            raw = _field(_INPUT, _with_shape(content, input_hw))
        parts.append(raw)
    return b"".join(parts)


def _without_shape(value: bytes) -> bytes:
    return _change(value, (_TYPE, _TENSOR), lambda tensor: _drop(tensor, _SHAPE))


def _with_shape(value: bytes, input_hw: tuple[int, int]) -> bytes:
    def change(shape: bytes) -> bytes:
        dims = [content for field, kind, _, content in _fields(shape) if field == 1 and kind == _BYTES]
        if len(dims) != 4:
            raise ValueError(f"an input of {len(dims)} dimensions")
        sizes = [*dims[:2], *(_varint(1 << 3 | _VARINT) + _varint(side) for side in input_hw)]
        return b"".join(_field(1, size) for size in sizes)

    return _change(value, (_TYPE, _TENSOR, _SHAPE), change)


def _change(message: bytes, path: tuple[int, ...], change) -> bytes:  # type: ignore[no-untyped-def]
    """`message` with the message at `path` of field numbers changed."""
    if not path:
        return bytes(change(message))
    return b"".join(
        _field(field, _change(content, path[1:], change)) if field == path[0] and kind == _BYTES else raw
        for field, kind, raw, content in _fields(message))


def _drop(message: bytes, field: int) -> bytes:
    return b"".join(raw for number, _, raw, _ in _fields(message) if number != field)


def _fields(message: bytes) -> Iterator[tuple[int, int, bytes, bytes]]:
    """Number, wire type, all bytes and, of type 2, the content of every field."""
    view, at = memoryview(message), 0
    while at < len(view):
        start = at
        key, at = _read_varint(view, at)
        kind, content = key & 7, b""
        if kind == _VARINT:
            _, at = _read_varint(view, at)
        elif kind == _BYTES:
            size, at = _read_varint(view, at)
            content = bytes(view[at : at + size])
            at += size
        elif kind in (_EIGHT, _FOUR):
            at += 8 if kind == _EIGHT else 4
        else:
            raise ValueError(f"wire type {kind}")
        if at > len(view):
            raise ValueError("a field longer than the file")
        yield key >> 3, kind, bytes(view[start:at]), content


def _read_varint(view: memoryview, at: int) -> tuple[int, int]:
    number = shift = 0
    while at < len(view) and shift < 64:
        byte = view[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at
    raise ValueError("a number without an end")


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(content)) + content
