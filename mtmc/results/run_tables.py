"""Every table of a run, written in one go."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mtmc.gallery import RunTracklets
from mtmc.matching.matches import Matches
from mtmc.oddness import NAME as ODD_NAME
from mtmc.oddness import Oddness, write_odd_csv
from mtmc.results.aicity import write_aicity
from mtmc.results.candidates_csv import write_candidates_csv
from mtmc.results.connections_csv import write_connections_csv
from mtmc.results.global_tracks_csv import write_global_tracks_csv
from mtmc.results.matches_csv import write_matches_csv
from mtmc.results.mot import write_mot_folder
from mtmc.results.track_boxes import TrackBoxes
from mtmc.results.tracklets_csv import TrackletFacts, write_tracklets_csv
from mtmc.tracklet_attributes import TrackletAttributes


def write_run_tables(
    folder: Path, run: RunTracklets, matches: Matches, numbers: Mapping[str, int], cvat: bool,
    attributes: TrackletAttributes | None = None, oddness: Oddness | None = None,
) -> list[str]:
    """Write all tables of a run into `folder`; the names of the files, relative to it.

    numbers: camera → its number in `cityflow.txt`. attributes: more columns of `tracklets.csv`. oddness: one
    more table.
    """
    table = run.gallery.tracklets
    write_matches_csv(folder / "matches.csv", matches, table)
    write_candidates_csv(folder / "candidates.csv", matches, table)
    write_connections_csv(folder / "connections.csv", matches.camera_graph, table)
    # A tracklet's features stand in its camera's folder, in the order of the camera's own rows.
    rows_in_camera = np.concatenate([np.arange(n) for n in np.bincount(table.camera_rows, minlength=1)])
    facts = TrackletFacts.of(run.tracklets, run.crop_counts.tolist(), rows_in_camera.tolist())
    told = {name: (words, attributes.confidences[name]) for name, words in attributes.answers.items()
            } if attributes else None
    write_tracklets_csv(folder / "tracklets.csv", table, matches.global_ids, facts, told)
    write_global_tracks_csv(folder / "global_tracks.csv", matches, table)
    boxes = TrackBoxes.of_tracklets(run.tracklets, matches.global_ids, table.camera_ids)
    write_aicity(folder / "cityflow.txt", boxes, numbers)
    names = ["matches.csv", "candidates.csv", "connections.csv", "tracklets.csv", "global_tracks.csv", "cityflow.txt"]
    own_ids = TrackBoxes.of_tracklets(run.tracklets, table.track_ids, table.camera_ids)
    mot_names = write_mot_folder(folder / "mot", own_ids)
    names += [f"mot/{name}" for name in mot_names]
    if oddness is not None:
        write_odd_csv(folder / ODD_NAME, table, oddness)
        names.append(ODD_NAME)
    if cvat:
        from mtmc.results.cvat import write_cvat_folder

        names += [f"cvat/{name}" for name in write_cvat_folder(folder / "cvat", boxes, table)]
    return names
