"""CVAT for video, XML 1.1: one file a camera, one `<track>` an identity, so that people can correct a result.

Written as CVAT's own loader reads it: it takes key frames only, so every box is one, and a box with
`outside="1"` closes a track wherever it has a gap. Frames count from 0 (docs.cvat.ai, "XML annotation format").
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np

from detectors.detections import VEHICLE_CLASSES
from mtmc import files
from mtmc.errors import InputError
from mtmc.results.number_rows import read_bytes
from mtmc.results.track_boxes import TrackBoxes
from mtmc.results.tracklets_csv import class_id_of, class_name
from mtmc.run_store import folder_name
from mtmc.tracklets import TrackletTable

_IDENTITY = "identity"  # the attribute that carries our id; CVAT numbers its tracks anew


def cvat_text(boxes: TrackBoxes, name: str, size_wh: tuple[int, int] = (0, 0)) -> str:
    """One camera's boxes as CVAT XML. name: the task's. size_wh: of the picture, (0, 0) where not known.

    Raises `InputError` for more than one camera's boxes.
    """
    if len(np.unique(boxes.camera_rows)) > 1:
        raise InputError("CVAT file", "the boxes of one camera", "those of several")
    return "".join(_lines(boxes, name, size_wh))


def write_cvat(path: Path, boxes: TrackBoxes, name: str, size_wh: tuple[int, int] = (0, 0)) -> None:
    """Write one camera's boxes, atomically."""
    files.write_text(path, cvat_text(boxes, name, size_wh))


def write_cvat_folder(folder: Path, boxes: TrackBoxes, table: TrackletTable | None = None) -> list[str]:
    """Write `<camera>.xml` for every camera of `boxes`, also for those without a box; the names of the files.

    table: where given, the sizes of the pictures are taken from it.
    """
    sizes = _picture_sizes(table) if table is not None else {}
    names = []
    for row, camera in enumerate(boxes.camera_ids):
        names.append(f"{folder_name(camera)}.xml")
        write_cvat(Path(folder) / names[-1], boxes[boxes.camera_rows == row], camera, sizes.get(camera, (0, 0)))
    return names


def read_cvat(path: Path, camera_id: str) -> TrackBoxes:
    """The boxes of one CVAT video file; identities from the attribute that the writer sets, else the track's number.

    Boxes that CVAT interpolated are in its exports and are read too; those outside the picture are not.
    Raises `InputError` for anything but a CVAT video file, and for one with a document type, which could
    make a small file unpack to a huge one.
    """
    data = read_bytes(path)
    if b"<!DOCTYPE" in data[:4096]:
        raise InputError(path, "CVAT XML without a document type", "a DOCTYPE")
    try:
        root = ElementTree.fromstring(data)
        if root.tag != "annotations":
            raise InputError(path, "CVAT's <annotations>", f"<{root.tag}>")
        rows = [row for track in root.iter("track") for row in _rows_of(track)]
    except (ElementTree.ParseError, KeyError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(path, "CVAT for video, XML 1.1", str(error)) from error
    table = np.array(rows, dtype=np.float64).reshape(len(rows), 7)
    sizes = np.maximum(table[:, 5:7] - table[:, 3:5], 0)
    boxes = np.concatenate([table[:, 3:5], sizes], axis=1)
    return TrackBoxes.build(
        [camera_id], np.zeros(len(rows)), table[:, 0], table[:, 1], boxes, class_ids=table[:, 2].astype(np.int64)
    )


def _picture_sizes(table: TrackletTable) -> dict[str, tuple[int, int]]:
    return {table.camera_id(row): (int(w), int(h)) for row, (w, h) in enumerate(table.image_sizes_wh)}


def _lines(boxes: TrackBoxes, name: str, size_wh: tuple[int, int]) -> Iterator[str]:
    last = int(boxes.frames.max()) if len(boxes) else 0
    yield '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n <version>1.1</version>\n <meta>\n  <task>\n'
    yield f"   <name>{_escaped(name)}</name>\n   <size>{last}</size>\n   <mode>interpolation</mode>\n   <labels>\n"
    for label in VEHICLE_CLASSES.values():
        yield f"    <label><name>{label}</name><attributes><attribute><name>{_IDENTITY}</name>"
        yield "<mutable>False</mutable><input_type>number</input_type><default_value>0</default_value>"
        yield "<values>0;999999999;1</values></attribute></attributes></label>\n"
    yield "   </labels>\n"
    if size_wh[0] > 0:
        yield f"   <original_size><width>{size_wh[0]}</width><height>{size_wh[1]}</height></original_size>\n"
    yield "  </task>\n </meta>\n"
    order = np.lexsort((boxes.frames, boxes.ids))
    starts = np.flatnonzero(np.diff(boxes.ids[order], prepend=np.nan))
    for number, rows in enumerate(np.split(order, starts[1:]) if len(boxes) else []):
        yield from _track(boxes[rows], number)
    yield "</annotations>\n"


def _track(track: TrackBoxes, number: int) -> Iterator[str]:
    identity = f'<attribute name="{_IDENTITY}">{int(track.ids[0])}</attribute>'
    label = class_name(int(np.bincount(track.class_ids).argmax()))
    yield f' <track id="{number}" label={quoteattr(label)} source="auto">\n'
    corners = np.concatenate([track.boxes_xywh[:, :2], track.boxes_xywh[:, :2] + track.boxes_xywh[:, 2:]], axis=1)
    following = np.append(track.frames[1:], -1)
    for frame, next_frame, place in zip(track.frames.tolist(), following.tolist(), corners.tolist(), strict=True):
        yield _box(frame - 1, 0, place, identity)
        if next_frame != frame + 1:
            yield _box(frame, 1, place, identity)
    yield " </track>\n"


def _box(frame_index: int, outside: int, place: list[float], identity: str) -> str:
    left, top, right, bottom = place
    return (
        f'  <box frame="{frame_index}" outside="{outside}" occluded="0" keyframe="1" xtl="{left:.2f}" ytl="{top:.2f}" '
        f'xbr="{right:.2f}" ybr="{bottom:.2f}" z_order="0">{identity}</box>\n'
    )


def _escaped(text: str) -> str:
    """Text that XML can hold: the characters it forbids become `?`."""
    printable = "".join(c if c.isprintable() else "?" for c in text)
    return printable.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _rows_of(track: ElementTree.Element) -> Iterator[tuple[float, ...]]:
    class_id = class_id_of(track.attrib["label"])
    for box in track.iter("box"):
        if box.attrib.get("outside", "0") == "1":
            continue
        given = [a.text for a in box.iter("attribute") if a.attrib.get("name") == _IDENTITY and a.text]
        identity = int(given[0] if given and given[0] else track.attrib["id"])
        place = (float(box.attrib[corner]) for corner in ("xtl", "ytl", "xbr", "ybr"))
        yield (identity, int(box.attrib["frame"]) + 1, class_id, *place)
