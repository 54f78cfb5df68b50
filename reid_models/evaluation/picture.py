"""A picture of ranked retrievals: each row a query and its nearest entries, right framed green, wrong framed red.

The last column shows the first right answer where it is not among the nearest. Rows: the queries with the lowest
average precision, then some spread evenly over the rest, so that both failures and the usual case are seen.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from mtmc.errors import InputError
from mtmc.files import write_bytes
from reid_models.data.images import read_image_rgb
from reid_models.data.samples import ReidSamples, ReidTask
from reid_models.evaluation.metrics import QueryScores, distance_keys
from reid_models.evaluation.protocols import Retrieval
from reid_models.reranking import RerankConfig, rerank_features

ROWS = 10  # queries shown, half of them the worst
ANSWERS = 10  # entries shown for each
TILE_PX = 112
_FRAME_PX = 5
_GAP_PX = 8
_LABEL_PX = 16
_PAPER_RGB, _INK_RGB = (250, 250, 248), (30, 30, 30)
_RIGHT_RGB, _WRONG_RGB, _QUERY_RGB = (40, 160, 60), (205, 45, 45), (70, 90, 200)


def write_picture(path: Path, title: str, task: ReidTask, retrieval: Retrieval, scores: QueryScores,
                  rerank: RerankConfig | None = None) -> None:
    """Draw and write the picture (JPEG or PNG by the name's ending). Raises `InputError` where nothing can be shown."""
    queries = choose_queries(scores)
    if not len(queries):
        raise InputError(path, "queries with an answer to show", "none")
    rows = [draw_row(task, retrieval, scores, int(query), keys)
            for query, keys in zip(queries, _keys_of(retrieval, queries, rerank), strict=True)]
    width = max(row.shape[1] for row in rows)
    header = np.full((_LABEL_PX + 2 * _GAP_PX, width, 3), _PAPER_RGB, dtype=np.uint8)
    _write(header, title, _GAP_PX, _GAP_PX + _LABEL_PX - 4, 0.5)
    page = np.concatenate([header, *(_pad(row, width) for row in rows)])
    ok, data = cv2.imencode(path.suffix or ".jpg", page[:, :, ::-1])
    if not ok:
        raise InputError(path, "a name that ends in .jpg or .png", path.suffix)
    write_bytes(path, data.tobytes())


def choose_queries(scores: QueryScores) -> np.ndarray:
    """int64: up to `ROWS` answered queries, rising in average precision: the worst, then an even spread of the rest."""
    answered = np.flatnonzero(scores.answered)
    order = answered[np.argsort(scores.ap_rectangle[answered], kind="stable")]
    worst = order[:ROWS // 2]
    rest = order[ROWS // 2:]
    places = np.linspace(0, len(rest) - 1, num=min(ROWS - len(worst), len(rest))).round().astype(np.int64)
    return np.concatenate([worst, rest[np.unique(places)]])


def ranked_columns(keys: np.ndarray, junk: np.ndarray) -> np.ndarray:
    """int64: the columns of one query in the order of their distances, junk left out, ties to the lower column."""
    order = np.argsort(keys, kind="stable")
    return order[~np.isin(order, junk)]


def draw_row(task: ReidTask, retrieval: Retrieval, scores: QueryScores, query: int, keys: np.ndarray) -> np.ndarray:
    """uint8 (h, w, 3): one query with its answers."""
    good = retrieval.relevance.good.of(query)
    ranked = ranked_columns(keys, retrieval.relevance.junk.of(query))
    tiles = [_tile(task.query, query, f"AP {scores.ap_rectangle[query]:.2f}", _QUERY_RGB)]
    first = int(scores.first_ranks[query])
    shown = [*range(min(ANSWERS, len(ranked))), *([first - 1] if first > ANSWERS else [])]
    for place in shown:
        column = int(ranked[place])
        colour = _RIGHT_RGB if column in good else _WRONG_RGB
        tiles.append(_tile(task.gallery, int(retrieval.column_images[column]), f"{place + 1}.", colour))
    return np.concatenate(tiles, axis=1)


def _keys_of(retrieval: Retrieval, queries: np.ndarray, rerank: RerankConfig | None) -> np.ndarray:
    """(len(queries), C): numbers that order the columns of some queries."""
    if rerank is not None:  # re-ranking looks at all queries together
        every = rerank_features(retrieval.query_vectors, retrieval.entry_vectors, rerank)
        return every[queries][:, retrieval.columns]
    keys = np.concatenate(list(distance_keys(retrieval.query_vectors[queries], retrieval.entry_vectors)))
    return keys[:, retrieval.columns]


def _tile(samples: ReidSamples, row: int, label: str, frame_rgb: tuple[int, int, int]) -> np.ndarray:
    """One framed image with its label above: place or AP, vehicle and camera."""
    image = read_image_rgb(samples.paths[row])
    inner = TILE_PX - 2 * _FRAME_PX
    scale = inner / max(image.shape[:2])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    tile = np.full((TILE_PX + _LABEL_PX + _GAP_PX, TILE_PX + _GAP_PX, 3), _PAPER_RGB, dtype=np.uint8)
    tile[_LABEL_PX:_LABEL_PX + TILE_PX, :TILE_PX] = frame_rgb
    top, left = _LABEL_PX + (TILE_PX - size[1]) // 2, (TILE_PX - size[0]) // 2
    tile[_LABEL_PX + _FRAME_PX:_LABEL_PX + TILE_PX - _FRAME_PX, _FRAME_PX:TILE_PX - _FRAME_PX] = _PAPER_RGB
    tile[top:top + size[1], left:left + size[0]] = small
    camera = f" c{samples.cameras[row]}" if samples.cameras[row] >= 0 else ""
    _write(tile, f"{label} #{samples.identities[row]}{camera}", 1, _LABEL_PX - 4, 0.38)
    return tile


def _write(image: np.ndarray, text: str, x: int, y: int, scale: float) -> None:
    plain = text.encode("ascii", errors="replace").decode()  # OpenCV's font knows no more
    cv2.putText(image, plain, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, _INK_RGB, 1, cv2.LINE_AA)


def _pad(row: np.ndarray, width: int) -> np.ndarray:
    out = np.full((row.shape[0], width, 3), _PAPER_RGB, dtype=np.uint8)
    out[:, :row.shape[1]] = row
    return out
