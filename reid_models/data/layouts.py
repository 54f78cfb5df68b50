"""Writers of the public layouts, for generated data: passages in, the files that the makers would give out.

Each takes an empty or new folder. Files come in the makers' order and with their quirks (labels that claim
gb2312, blanks at line ends), so that the readers are tested on them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mtmc.errors import InputError
from mtmc.files import write_text

JPEG_QUALITY = 92


@dataclass(frozen=True, eq=False)
class Passage:
    """One vehicle passing one camera: crops_rgb uint8 (h, w, 3) in time order. Numbers count from 1."""

    identity: int
    camera: int
    kind: str
    crops_rgb: tuple[np.ndarray, ...]


def write_two_view(root: Path, passages: Sequence[Passage]) -> None:
    """The first crop of the first two cameras of each vehicle; every fourth vehicle is in val.txt."""
    lists: dict[str, list[str]] = {"train": [], "val": []}
    vehicles = sorted({p.identity for p in passages})
    for place, vehicle in enumerate(vehicles):
        firsts = {p.camera: p for p in reversed(passages) if p.identity == vehicle}
        for view, camera in enumerate(sorted(firsts)[:2], start=1):
            passage = firsts[camera]
            name = f"{passage.kind}_{vehicle:04d}_cam{view}.jpg"
            _write_image(root / "images" / "train" / name, passage.crops_rgb[0])
            lists["val" if place % 4 == 3 else "train"].append(name)
    for split, names in lists.items():
        _write_lines(root / f"{split}.txt", names)


def write_veri776(root: Path, passages: Sequence[Passage]) -> None:
    """The second half of the vehicles is the test; the middle crop of each (vehicle, camera) is also a query."""
    names: dict[str, list[str]] = {"train": [], "test": [], "query": []}
    tracks, first_test = [], _second_half(passages)
    for number, p in enumerate(passages):
        own = [f"{p.identity:04d}_c{p.camera:03d}_{number * 1000 + i:08d}_0.jpg" for i in range(len(p.crops_rgb))]
        split = "test" if p.identity >= first_test else "train"
        for name, crop in zip(own, p.crops_rgb, strict=True):
            _write_image(root / f"image_{split}" / name, crop)
        names[split] += own
        if split == "test":
            tracks.append(f"{own[0].removesuffix('_0.jpg')} {' '.join(own)} ")
            middle = len(own) // 2
            if not any(query.startswith(own[0][:9]) for query in names["query"]):
                _write_image(root / "image_query" / own[middle], p.crops_rgb[middle])
                names["query"].append(own[middle])
    for split, listed in names.items():
        _write_lines(root / f"name_{split}.txt", listed)
    _write_lines(root / "test_track.txt", tracks)
    for name, same_camera in (("gt_image.txt", False), ("jk_image.txt", True)):
        lines = [" ".join(image for image in names["test"] if image[:4] == query[:4]
                          and (image[5:9] == query[5:9]) == same_camera) + " " for query in names["query"]]
        write_text(root / name, "".join(f"{line}\n" for line in lines))


def write_cityflow(root: Path, passages: Sequence[Passage], test_passages: Sequence[Passage],
                   release: int = 2020) -> None:
    """Training passages with labels, test passages without; the middle crop of each test (vehicle, camera) is a query.

    release: 2020 (name lists), or 2021 (cameras of query and test images in XML).
    """
    if release not in (2020, 2021):
        raise InputError("CityFlow-ReID release", "2020 or 2021", str(release))
    labels, tracks = _number_images(root / "image_train", passages)
    _write_labels(root / "train_label.xml", "TrainingImages", labels, ("vehicleID", "cameraID"))
    _write_lines(root / "train_track.txt", [" ".join(track) + " " for track in tracks])
    queries, rest, seen = [], [], set()
    for p in test_passages:
        middle = len(p.crops_rgb) // 2
        first = (p.identity, p.camera) not in seen
        seen.add((p.identity, p.camera))
        if first:
            queries.append(Passage(p.identity, p.camera, p.kind, (p.crops_rgb[middle],)))
        kept = tuple(crop for i, crop in enumerate(p.crops_rgb) if not first or i != middle)
        if kept:
            rest.append(Passage(p.identity, p.camera, p.kind, kept))
    query_labels, _ = _number_images(root / "image_query", queries)
    test_labels, test_tracks = _number_images(root / "image_test", rest)
    _write_lines(root / "test_track.txt", [" ".join(track) + " " for track in test_tracks])
    for split, own in (("query", query_labels), ("test", test_labels)):
        if release == 2021:
            _write_labels(root / f"{split}_label.xml", f"{split.title()}Images", own, ("cameraID",))
        else:
            _write_lines(root / f"name_{split}.txt", [label["imageName"] for label in own])
    if release == 2020:
        _write_lines(root / "name_train.txt", [label["imageName"] for label in labels])


def write_vehicleid(root: Path, passages: Sequence[Passage]) -> None:
    """The second half of the vehicles is the test of every size."""
    lines: dict[bool, list[str]] = {False: [], True: []}
    number, first_test = 0, _second_half(passages)
    for p in passages:
        for crop in p.crops_rgb:
            number += 1
            _write_image(root / "image" / f"{number:07d}.jpg", crop)
            lines[p.identity >= first_test].append(f"{number:07d} {p.identity}")
    _write_lines(root / "train_test_split" / "train_list.txt", lines[False])
    for size in (800, 1600, 2400):
        _write_lines(root / "train_test_split" / f"test_list_{size}.txt", lines[True])


def write_veri_wild(root: Path, passages: Sequence[Passage]) -> None:
    """The second half of the vehicles is the test of every size; the first crop of each passage is a query."""
    info = ["id/image;Camera ID;Time;Model;Type;Color"]
    train: list[str] = []
    test: list[str] = []
    queries: list[str] = []
    number, first_test = 0, _second_half(passages)
    for p in passages:
        for i, crop in enumerate(p.crops_rgb):
            number += 1
            name = f"{p.identity:05d}/{number:06d}"
            _write_image(root / "images" / f"{name}.jpg", crop)
            info.append(f"{name};{p.camera};2018-03-11 10:58:{i:02d};unknown;{p.kind.title()};white")
            (train if p.identity < first_test else test).append(name)
            if p.identity >= first_test and i == 0:
                queries.append(name)
    folder = root / "train_test_split"
    _write_lines(folder / "vehicle_info.txt", info)
    _write_lines(folder / "train_list.txt", train)
    for size in (3000, 5000, 10000):
        _write_lines(folder / f"test_{size}.txt", test)
        _write_lines(folder / f"test_{size}_query.txt", queries)


def write_csv(root: Path, passages: Sequence[Passage]) -> None:
    """`manifest.csv`; the second half of the vehicles is the split "test"."""
    lines, first_test = ["path,identity,camera,tracklet,kind,split,role"], _second_half(passages)
    for number, p in enumerate(passages, start=1):
        for i, crop in enumerate(p.crops_rgb):
            name = f"crops/{number:04d}_{i:02d}.jpg"
            _write_image(root / name, crop)
            split = "test" if p.identity >= first_test else "train"
            lines.append(f"{name},vehicle {p.identity:04d},street {p.camera},{number},{p.kind},{split},")
    _write_lines(root / "manifest.csv", lines)


def write_run(root: Path, passages: Sequence[Passage]) -> None:
    """What `run_cameras` leaves of its tracklets: the table and the crops."""
    lines, next_track = ["camera_id,track_id,global_id,class"], dict.fromkeys([p.camera for p in passages], 0)
    for p in passages:
        next_track[p.camera] += 1
        camera, track = f"c{p.camera:03d}", next_track[p.camera]
        lines.append(f"{camera},{track},{p.identity},{p.kind}")
        for i, crop in enumerate(p.crops_rgb):
            _write_image(root / "cameras" / camera / "crops" / f"{track:06d}_{i}.jpg", crop)
    _write_lines(root / "tracklets.csv", [lines[0], *sorted(lines[1:])])


WRITERS: dict[str, Callable[[Path, Sequence[Passage]], None]] = {
    "two-view": write_two_view, "veri-776": write_veri776, "vehicleid": write_vehicleid, "veri-wild": write_veri_wild,
    "csv": write_csv, "run": write_run,
}


def _number_images(folder: Path, passages: Sequence[Passage]) -> tuple[list[dict[str, str]], list[list[str]]]:
    """Write all crops as 000001.jpg …; give their labels and the names of each passage."""
    labels: list[dict[str, str]] = []
    tracks = []
    for p in passages:
        names = [f"{len(labels) + i + 1:06d}.jpg" for i in range(len(p.crops_rgb))]
        for name, crop in zip(names, p.crops_rgb, strict=True):
            _write_image(folder / name, crop)
            labels.append({"imageName": name, "vehicleID": f"{p.identity:04d}", "cameraID": f"c{p.camera:03d}"})
        tracks.append(names)
    return labels, tracks


def _write_labels(path: Path, top: str, labels: Sequence[dict[str, str]], keys: tuple[str, ...]) -> None:
    items = [" ".join([f'    <Item imageName="{label["imageName"]}"', *(f'{key}="{label[key]}"' for key in keys), "/>"])
             for label in labels]
    _write_lines(path, ['<?xml version="1.0" encoding="gb2312"?>', f"<{top} Version=\"1.0\">",
                        f'  <Items number="{len(items)}">', *items, "  </Items>", f"</{top}>"])


def _second_half(passages: Sequence[Passage]) -> int:
    vehicles = sorted({p.identity for p in passages})
    return vehicles[len(vehicles) // 2]


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    write_text(path, "".join(f"{line}\n" for line in lines))


def _write_image(path: Path, image_rgb: np.ndarray) -> None:
    _, data = cv2.imencode(".jpg", image_rgb[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.tobytes())  # not atomic: thousands of files, and the lists that make the set come last
