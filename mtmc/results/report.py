"""`report.html`: one file that opens without a network and answers "what was linked, and why?"."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mtmc import files
from mtmc.gallery import RunTracklets
from mtmc.matching.matches import Matches
from mtmc.results.colours import vehicle_colour_css
from mtmc.results.graph_picture import graph_picture
from mtmc.results.swim_lanes import clock, swim_lanes
from mtmc.results.tracklets_csv import class_name

# A report is looked at by a person; the tables hold everything. What is left out is said in the report.
MOST_VEHICLES = 300
MOST_WEAK_LINKS = 40
MOST_NEAR_MISSES = 20
MOST_ODD = 60
THUMBNAIL_PX = 96

GATE_SENTENCES = {
    "time": "outside the travel times possible between these cameras",
    "no_passage": "no vehicle passes between these cameras",
    "rank": "not each other's nearest",
    "distance": "too unlike",
    "probability": "less probable than --min-probability",
    "taken": "one of the two has a better partner in that camera",
    "conflict": "would put one vehicle into one camera twice at the same time",
}


@dataclass(frozen=True)
class ReportFacts:
    """What the report says beside the matches. facts: of each finished camera; failures: camera → sentence.
    pictures: whether it may show any; those of an encrypted run stay where they are encrypted. odd: rows of odd
    tracklets with their normality, oddest first; None where nobody looked."""

    name: str
    facts: Mapping[str, Mapping[str, Any]]
    failures: Mapping[str, str]
    versions: Mapping[str, str]
    announcements: Sequence[str]
    score_lines: Sequence[str]
    pictures: bool = True
    odd: Mapping[int, float] | None = None


class Crops:
    """The pictures of a run's tracklets as data URLs, read when asked for."""

    def __init__(self, folders: Mapping[str, Path], run: RunTracklets, shown: bool = True) -> None:
        self._folders, self._run, self._shown = folders, run, shown

    def first(self, row: int) -> str:
        """The best picture of a tracklet; "" where none is kept or shown."""
        if not self._shown:
            return ""
        camera, track_id = self._run.gallery.tracklets.key(row)
        return data_url(self._folders[camera] / "crops" / f"{track_id:06d}_0.jpg", THUMBNAIL_PX)


def data_url(path: Path, height_px: int) -> str:
    """A picture, scaled down to a height, as a data URL; "" where it cannot be read."""
    import cv2

    try:
        image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error):
        return ""
    if image is None:
        return ""
    if image.shape[0] > height_px:
        width = max(1, round(image.shape[1] * height_px / image.shape[0]))
        image = cv2.resize(image, (width, height_px), interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 80])
    return "data:image/jpeg;base64," + base64.b64encode(bytes(data)).decode()


def write_report(
    path: Path, run: RunTracklets, matches: Matches, folders: Mapping[str, Path], facts: ReportFacts
) -> None:
    """Write the report, atomically. folders: camera → its folder in the run."""
    files.write_text(path, report_html(run, matches, folders, facts))


def report_html(run: RunTracklets, matches: Matches, folders: Mapping[str, Path], facts: ReportFacts) -> str:
    """The whole page. All text from outside is escaped by the template."""
    import jinja2

    crops = Crops(folders, run, facts.pictures)
    loader = jinja2.FileSystemLoader(Path(__file__).with_name("templates"))
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["clock"] = clock
    table, candidates = run.gallery.tracklets, matches.candidates
    weak = _weakest_first(matches)
    vehicles = _vehicles(run, matches, crops)
    return environment.get_template("report.html.j2").render(
        facts=facts,
        written=time.strftime("%Y-%m-%d %H:%M"),
        cameras=_cameras(run, matches, folders, facts),
        lanes=swim_lanes(table, matches),
        graph=graph_picture(matches.camera_graph, table.camera_ids),
        totals=_totals(run, matches),
        weak=[_pair(run, matches, crops, int(row)) for row in weak[:MOST_WEAK_LINKS]],
        weak_left_out=max(0, len(weak) - MOST_WEAK_LINKS),
        vehicles=vehicles[:MOST_VEHICLES],
        vehicles_left_out=max(0, len(vehicles) - MOST_VEHICLES),
        misses=[_pair(run, matches, crops, int(row)) for row in _near_misses(matches)[:MOST_NEAR_MISSES]],
        rejected=_rejections(candidates.gates),
        colour=vehicle_colour_css,
        odd=_odd(run, matches, crops, facts.odd or {}),
        odd_left_out=max(0, len(facts.odd or {}) - MOST_ODD),
    )


def _totals(run: RunTracklets, matches: Matches) -> dict[str, int]:
    cameras_of: dict[int, set[int]] = {}
    for gid, camera in zip(matches.global_ids.tolist(), run.gallery.tracklets.camera_rows.tolist(), strict=True):
        cameras_of.setdefault(gid, set()).add(camera)
    return {
        "cameras": len(run.gallery.tracklets.camera_ids),
        "tracklets": len(run.tracklets),
        "vehicles": len(cameras_of),
        "seen in two or more cameras": sum(1 for cameras in cameras_of.values() if len(cameras) > 1),
        "links": len(matches.links),
    }


def _cameras(
    run: RunTracklets, matches: Matches, folders: Mapping[str, Path], facts: ReportFacts
) -> list[dict[str, Any]]:
    table = run.gallery.tracklets
    linked = np.zeros(len(table), bool)
    linked[matches.candidates.pairs[matches.links].ravel()] = True
    cards = []
    for row, name in enumerate(table.camera_ids):
        mine, fact = table.camera_rows == row, facts.facts[name]
        decode = fact["decode"]
        cards.append({
            "name": name, "tracklets": int(mine.sum()), "linked": int(linked[mine].sum()), "frames": fact["frames"],
            "detections": fact["cutting"]["detections"], "length_s": decode["covered_s"] + decode["gap_s"],
            "size": "{}x{}".format(*fact["image_size_wh"]), "status": decode["status"].replace("_", " "),
            "cause": decode["cause"], "notes": decode["notes"], "seconds": fact["seconds"],
            "view": data_url(folders[name] / "view.jpg", 150) if facts.pictures else "", "dropped": _dropped(fact),
        })  # fmt: skip
    return cards


def _dropped(fact: Mapping[str, Any]) -> str:
    reasons = {k: v for k, v in fact["joining"].items() if k not in ("pieces", "kept") and v}
    return ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in reasons.items())


def _weakest_first(matches: Matches) -> np.ndarray:
    """Rows of the accepted candidates, least sure first: by probability where there is one, else by distance."""
    probabilities = matches.candidates.probabilities[matches.links]
    distances = matches.candidates.tracklet_distances[matches.links]
    doubt = np.where(np.isnan(probabilities), distances / 2, 1 - probabilities)
    return matches.links[np.argsort(-doubt, kind="stable")]


def _near_misses(matches: Matches) -> np.ndarray:
    """Rows of refused candidates that came closest, most likely first."""
    candidates = matches.candidates
    rows = np.flatnonzero(~candidates.accepted & ~np.isin(candidates.gates, ("time", "no_passage")))
    same = matches.global_ids[candidates.pairs[rows, 0]] == matches.global_ids[candidates.pairs[rows, 1]]
    rows = rows[~same]  # linked over a third camera after all
    likely = np.where(np.isnan(candidates.probabilities[rows]), 1 - candidates.tracklet_distances[rows] / 2,
                      candidates.probabilities[rows])  # fmt: skip
    return rows[np.argsort(-likely, kind="stable")]


def _rejections(gates: np.ndarray) -> list[tuple[str, int, str]]:
    names, counts = np.unique(gates[gates != ""].astype(str), return_counts=True)
    return [(str(n), int(c), GATE_SENTENCES.get(str(n), str(n))) for n, c in zip(names, counts, strict=True)]


def _pair(run: RunTracklets, matches: Matches, crops: Crops, row: int) -> dict[str, Any]:
    """One candidate with everything that spoke for or against it."""
    candidates = matches.candidates
    named = zip(candidates.term_names, candidates.term_log_odds[row].tolist(), strict=True)
    terms = sorted(named, key=lambda term: -abs(term[1]))
    a, b = (int(value) for value in candidates.pairs[row])
    return {
        "a": _side(run, matches, crops, a), "b": _side(run, matches, crops, b),
        "probability": None if np.isnan(candidates.probabilities[row]) else float(candidates.probabilities[row]),
        "distance": float(candidates.tracklet_distances[row]), "travel_s": float(candidates.travel_s[row]),
        "image_ab": float(candidates.image_distances_ab[row]), "image_ba": float(candidates.image_distances_ba[row]),
        "rank_ab": int(candidates.ranks_ab[row]), "rank_ba": int(candidates.ranks_ba[row]),
        "terms": [term for term in terms if abs(term[1]) >= 0.005],
        "gate": GATE_SENTENCES.get(str(candidates.gates[row]), str(candidates.gates[row])),
    }  # fmt: skip


def _side(run: RunTracklets, matches: Matches, crops: Crops, row: int) -> dict[str, Any]:
    table = run.gallery.tracklets
    return {
        "camera": table.camera_id(row), "track": int(table.track_ids[row]), "vehicle": int(matches.global_ids[row]),
        "start_s": float(table.start_s[row]), "end_s": float(table.end_s[row]), "crop": crops.first(row),
        "kind": class_name(int(table.class_ids[row])),
    }  # fmt: skip


def _odd(
    run: RunTracklets, matches: Matches, crops: Crops, odd: Mapping[int, float]
) -> list[tuple[dict[str, Any], float]]:
    return [(_side(run, matches, crops, row), value) for row, value in list(odd.items())[:MOST_ODD]]


def _vehicles(run: RunTracklets, matches: Matches, crops: Crops) -> list[dict[str, Any]]:
    """A card per vehicle seen in two or more places, most tracklets first; pictures only for those shown."""
    candidates, table = matches.candidates, run.gallery.tracklets
    members: dict[int, list[int]] = {}
    for row, gid in enumerate(matches.global_ids.tolist()):
        members.setdefault(gid, []).append(row)
    links: dict[int, list[int]] = {}
    for row in matches.links.tolist():
        links.setdefault(int(matches.global_ids[candidates.pairs[row, 0]]), []).append(row)
    order = sorted((gid for gid in members if len(members[gid]) > 1), key=lambda gid: (-len(members[gid]), gid))
    cards: list[dict[str, Any]] = []
    for place, gid in enumerate(order):
        if place >= MOST_VEHICLES:
            cards.append({})
            continue
        rows = sorted(members[gid], key=lambda row: (table.start_s[row], row))
        known = [float(p) for p in candidates.probabilities[links.get(gid, [])] if not np.isnan(p)]
        cards.append({
            "id": gid, "sides": [_side(run, matches, crops, row) for row in rows],
            "links": [_pair_words(run, matches, row) for row in links.get(gid, [])],
            "weakest": min(known) if known else None,
        })  # fmt: skip
    return cards


def _pair_words(run: RunTracklets, matches: Matches, row: int) -> str:
    """One sentence on why two tracklets were linked."""
    candidates, table = matches.candidates, run.gallery.tracklets
    a, b = (int(value) for value in candidates.pairs[row])
    probability = candidates.probabilities[row]
    sure = "" if np.isnan(probability) else f"probability {probability:.2f}, "
    return (
        f"{table.camera_id(a)} to {table.camera_id(b)}: {sure}distance {candidates.tracklet_distances[row]:.2f}, "
        f"ranks {candidates.ranks_ab[row]} and {candidates.ranks_ba[row]}, {candidates.travel_s[row]:.1f} s on the way"
    )
