"""ONNX files written as bytes: the few messages of the format that a network needs, so that no library is asked for.

ONNX is protobuf (onnx/onnx.proto of github.com/onnx/onnx): every field is a key (number << 3 | wire type) followed by a
varint (type 0), a length and that many bytes (type 2), or four bytes (type 5). Messages are byte strings here, built
from the inside out; those that hold weights are lists of parts, joined once, so that no weight is copied twice. The
numbers of the fields are fixed for ever by the format.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import numpy as np

IR_VERSION, OPSET = 8, 17  # of 2022: onnxruntime 1.12 and every OpenVINO since read them
_ELEMENT_TYPES = {"float32": 1, "uint8": 2, "int64": 7}
_FLOAT, _INT, _INTS = 1, 2, 7  # AttributeProto.AttributeType

Parts = list[bytes | memoryview]
Attribute = int | float | Sequence[int]


def model(graph: Parts, metadata: Mapping[str, str], producer: str) -> bytes:
    """A ModelProto: the whole file. metadata: shown by runtimes as custom metadata, in sorted order."""
    properties = [_bytes(14, _text(1, key) + _text(2, value)) for key, value in sorted(metadata.items())]
    opset = _text(1, "") + _number(2, OPSET)
    head = [_number(1, IR_VERSION), _text(2, producer)]
    return b"".join([*head, *_parts(7, graph), _bytes(8, opset), *properties])


def graph(name: str, nodes: Sequence[bytes], weights: Mapping[str, np.ndarray], inputs: Sequence[bytes],
          outputs: Sequence[bytes]) -> Parts:
    """A GraphProto. nodes in an order in which each one's inputs come before it."""
    parts: Parts = [_bytes(1, node) for node in nodes]
    parts.append(_text(2, name))
    for key, array in weights.items():
        parts += _parts(5, tensor(key, array))
    return [*parts, *(_bytes(11, i) for i in inputs), *(_bytes(12, o) for o in outputs)]


def node(kind: str, inputs: Sequence[str], output: str, attributes: Mapping[str, Attribute] | None = None) -> bytes:
    """A NodeProto with one output, after which it is named."""
    parts = [_text(1, name) for name in inputs] + [_text(2, output), _text(3, output), _text(4, kind)]
    return b"".join([*parts, *(_bytes(5, _attribute(key, value)) for key, value in (attributes or {}).items())])


def tensor(name: str, array: np.ndarray) -> Parts:
    """A TensorProto with the array's own bytes, little endian."""
    values = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    head = b"".join(_number(1, size) for size in array.shape) + _number(2, _ELEMENT_TYPES[array.dtype.name])
    return [head + _text(8, name) + _key(9, 2) + _varint(values.nbytes), values.reshape(-1).view(np.uint8).data]


def value(name: str, dtype: str, shape: Sequence[int | str]) -> bytes:
    """A ValueInfoProto of an input or output; a dimension that is text may be of any size."""
    dims = b"".join(
        _bytes(1, _text(2, size) if isinstance(size, str) else _number(1, size)) for size in shape)
    kind = _bytes(1, _number(1, _ELEMENT_TYPES[dtype]) + _bytes(2, dims))
    return _text(1, name) + _bytes(2, kind)


def _attribute(name: str, value: Attribute) -> bytes:
    if isinstance(value, float):
        return _text(1, name) + _key(2, 5) + struct.pack("<f", value) + _number(20, _FLOAT)
    if isinstance(value, int):
        return _text(1, name) + _number(3, value) + _number(20, _INT)
    return _text(1, name) + b"".join(_number(8, item) for item in value) + _number(20, _INTS)


def _key(field: int, wire_type: int) -> bytes:
    return _varint(field << 3 | wire_type)


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; negative numbers as 64 bits of two's complement."""
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _number(field: int, number: int) -> bytes:
    return _key(field, 0) + _varint(number)


def _bytes(field: int, content: bytes) -> bytes:
    return _key(field, 2) + _varint(len(content)) + content


def _parts(field: int, parts: Parts) -> Parts:
    return [_key(field, 2) + _varint(sum(len(part) for part in parts)), *parts]


def _text(field: int, content: str) -> bytes:
    return _bytes(field, content.encode())
