"""docs/formats.md names every column that is written."""

from __future__ import annotations

from pathlib import Path

from mtmc.results.candidates_csv import candidate_columns
from mtmc.results.connections_csv import CONNECTION_COLUMNS
from mtmc.results.global_tracks_csv import GLOBAL_TRACK_COLUMNS
from mtmc.results.matches_csv import MATCH_COLUMNS
from mtmc.results.tracklets_csv import TRACKLET_COLUMNS

DOC = Path(__file__).resolve().parents[3] / "docs" / "formats.md"


def test_every_column_is_described() -> None:
    text = DOC.read_text()
    sections = dict(zip((name.split("\n")[0] for name in text.split("\n## ")), text.split("\n## "), strict=True))
    for name, columns in {
        "matches.csv": MATCH_COLUMNS, "candidates.csv": candidate_columns(()), "tracklets.csv": TRACKLET_COLUMNS,
        "global_tracks.csv": GLOBAL_TRACK_COLUMNS, "connections.csv": CONNECTION_COLUMNS,
    }.items():
        assert [c for c in columns if f"`{c}`" not in sections[name]] == []
