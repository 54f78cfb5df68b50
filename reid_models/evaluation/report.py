"""Scores as a table in the shape of the published one, as JSON, and as a CSV with a row a query."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from typing import Any

from reid_models.data.samples import ReidTask
from reid_models.evaluation.bootstrap import Interval
from reid_models.evaluation.evaluate import ALL_QUERIES, GroupScores, ProtocolScores
from reid_models.evaluation.protocols import IMAGE_TO_IMAGE, IMAGE_TO_TRACKLET_PROPAGATED, TRACKLET_TO_TRACKLET

TIE_RULE = "equal distances go to the lower gallery row"
AP_RECTANGLE = "mean over right answers of the precision at their rank"
AP_TRAPEZOID = "mean over right answers of the precision at their rank and just before it (official VeRi-776 form)"
QUERY_COLUMNS = ("task", "protocol", "query", "identity", "camera", "first_rank", "ap_rectangle", "ap_trapezoid",
                 "ap_top100")

# Multi-level Deep Learning Vehicle Re-identification using Ranked-based Loss Functions, ICPR 2020, poster: mAP, R-1,
# R-5 on VeRi-776. Its form of mAP is not stated.
_VERI_TASK, _VERI_QUERIES, _VERI_GALLERY = "veri-776/test", 1678, 11579
_PUBLISHED_PROTOCOLS = (IMAGE_TO_IMAGE, IMAGE_TO_TRACKLET_PROPAGATED, TRACKLET_TO_TRACKLET)
_PUBLISHED = (
    ("published: triplet", (49.52, 80.87, 92.25), (58.02, 80.51, 81.94), (67.60, 87.72, 88.08)),
    ("published: SSL", (54.60, 78.24, 91.06), (62.13, 80.51, 81.10), (68.00, 85.69, 86.17)),
    ("published: RLL", (56.64, 79.43, 91.17), (63.37, 78.96, 79.55), (69.24, 87.00, 87.42)),
    ("published: multi-level RLL", (62.48, 88.64, 94.75), (68.25, 87.90, 88.31), (73.34, 91.06, 91.41)),
)
_METRICS = ("mAP", "R-1", "R-5")


def render_report(tasks: Sequence[ReidTask], results: Sequence[ProtocolScores], method: str) -> str:
    """Everything for the screen: what was scored, the table, the details, the notes."""
    first = tasks[0]
    times = f", {len(tasks)} draws together" if len(tasks) > 1 else ""
    head = (f"{first.name}: {len(first.query):,} queries, {len(first.gallery):,} gallery images{times}; "
            f"junk: {first.junk_rule}")
    notes = [first.note] if first.note else []
    notes += [f"{result.lone_queries} queries of {result.protocol} have no track and stand for themselves"
              for result in results if result.lone_queries]
    if _is_published_test(first):
        notes.append("the published rows do not say which form of mAP they use")
    lines = [head, "", *_comparison(first, results, method), "", *_details(results), ""]
    lines += [f"ties: {TIE_RULE}; intervals: 95 %, bootstrap over vehicles; unanswered queries enter no mean"]
    return "\n".join(lines + [f"note: {note}" for note in notes])


def to_json(tasks: Sequence[ReidTask], results: Sequence[ProtocolScores], about: dict[str, Any]) -> dict[str, Any]:
    """The scores as plain values; shares of 1, null where there is no value. `about` is laid beside them."""
    first = tasks[0]
    return {
        **about, "task": first.name, "tasks": len(tasks), "queries": len(first.query), "note": first.note,
        "gallery_images": len(first.gallery), "junk_rule": first.junk_rule, "tie_rule": TIE_RULE,
        "ap_rectangle": AP_RECTANGLE, "ap_trapezoid": AP_TRAPEZOID,
        "interval": "95 %, percentile bootstrap over vehicles",
        "protocols": {result.protocol: {
            "gallery_entries": result.entries, "queries_without_track": result.lone_queries,
            "groups": {group.group: _group_json(group) for group in result.groups}} for result in results},
    }


def query_table(tasks: Sequence[ReidTask], results: Sequence[ProtocolScores]) -> str:
    """CSV text: a row for each query and protocol; ranks and APs empty where the query has no answer."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(QUERY_COLUMNS)
    for result in results:
        row = 0
        for task in tasks:
            for i, path in enumerate(task.query.paths):
                scores = [f"{float(values[row]):.6f}" for values in (
                    result.scores.ap_rectangle, result.scores.ap_trapezoid, result.scores.ap_top100)]
                rank = int(result.scores.first_ranks[row])
                writer.writerow((task.name, result.protocol, path.name, int(task.query.identities[i]),
                                 int(task.query.cameras[i]), rank or "", *(scores if rank else ("", "", ""))))
                row += 1
    return text.getvalue()


def _comparison(task: ReidTask, results: Sequence[ProtocolScores], method: str) -> list[str]:
    """Rows of methods, a block of mAP, R-1 and R-5 for each protocol, in percent."""
    rows: list[tuple[str, list[tuple[float, ...]]]] = []
    if _is_published_test(task):
        place = {protocol: i for i, protocol in enumerate(_PUBLISHED_PROTOCOLS)}
        nothing = (math.nan,) * len(_METRICS)
        rows += [(name, [blocks[place[r.protocol]] if r.protocol in place else nothing for r in results])
                 for name, *blocks in _PUBLISHED]
    for name in [group.group for group in results[0].groups]:
        own = method if name == ALL_QUERIES else f"{method}, {name}"
        rows.append((own, [_shown(group) for result in results for group in result.groups if group.group == name]))
    label = max(len(name) for name, _ in rows)
    widths = [max(len(result.protocol), 8 * len(_METRICS)) for result in results]
    lines = [" " * label + "".join(f"   {r.protocol:^{w}}" for r, w in zip(results, widths, strict=True)),
             " " * label + "".join("   " + "".join(f"{m:>8}" for m in _METRICS).rjust(w) for w in widths)]
    for name, blocks in rows:
        cells = ["".join(f"{_percent(value):>8}" for value in block).rjust(w)
                 for block, w in zip(blocks, widths, strict=True)]
        lines.append(f"{name:<{label}}" + "".join(f"   {cell}" for cell in cells))
    return [line.rstrip() for line in lines]


def _is_published_test(task: ReidTask) -> bool:
    """Whether the published rows were made on these very queries and images."""
    return (task.name, len(task.query), len(task.gallery)) == (_VERI_TASK, _VERI_QUERIES, _VERI_GALLERY)


def _shown(group: GroupScores) -> tuple[float, float, float]:
    return 100 * group.summary.map_rectangle, 100 * group.summary.r1, 100 * group.summary.r5


def _details(results: Sequence[ProtocolScores]) -> list[str]:
    header = ("protocol", "queries", "count", "unanswered", "mAP rectangle", "mAP trapezoid", "mAP top-100",
              "R-1", "R-5", "R-10")
    table = [header]
    for result in results:
        for group in result.groups:
            s = group.summary
            table.append((result.protocol, group.group, f"{s.queries:,}", f"{s.unanswered:,}",
                          _with_interval(group.map_interval), _percent(100 * s.map_trapezoid),
                          _percent(100 * s.map_top100), _with_interval(group.r1_interval), _percent(100 * s.r5),
                          _percent(100 * s.r10)))
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    return ["   ".join(f"{cell:<{w}}" if i < 2 else f"{cell:>{w}}"
                       for i, (cell, w) in enumerate(zip(row, widths, strict=True))).rstrip() for row in table]


def _with_interval(interval: Interval) -> str:
    if math.isnan(interval.mean):
        return "-"
    return f"{100 * interval.mean:.2f} [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"


def _group_json(group: GroupScores) -> dict[str, Any]:
    s = group.summary
    numbers = {"map_rectangle": s.map_rectangle, "map_trapezoid": s.map_trapezoid, "map_top100": s.map_top100,
               "r1": s.r1, "r5": s.r5, "r10": s.r10}
    plain: dict[str, Any] = {name: None if math.isnan(value) else value for name, value in numbers.items()}
    for name, interval in (("map_rectangle_interval", group.map_interval), ("r1_interval", group.r1_interval)):
        plain[name] = None if math.isnan(interval.mean) else [interval.low, interval.high]
    return {"queries": s.queries, "unanswered": s.unanswered, **plain}
