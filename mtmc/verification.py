"""Is a finished run whole? Every camera (`mtmc.camera_verification`), then the tables over all cameras: checksums,
row counts between files, and every key in every table. The first thing that is wrong is raised as an `IntegrityError`.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np

from mtmc.camera_verification import REMEDY, Check, checker, verify_camera
from mtmc.errors import IntegrityError, ended_in_words
from mtmc.manifest import Manifest
from mtmc.pipeline import RUN_STAGES
from mtmc.privacy.opening import vault_of_run
from mtmc.privacy.vault import Vault
from mtmc.results.candidates_csv import read_candidates_csv
from mtmc.results.global_tracks_csv import read_global_tracks_csv
from mtmc.results.matches_csv import read_matches_csv
from mtmc.results.tracklets_csv import read_tracklets_csv
from mtmc.run_store import RunStore, folder_name

_Key = tuple[str, int]


def verify_run(folder: Path, key_file: Path | None = None) -> list[str]:
    """Check the run in `folder`; a sentence for everything that was checked and found good.

    key_file: of an encrypted run, where its key is not in the environment.
    Raises `IntegrityError` naming the first file, law or key that is wrong, and `ConfigError` without the key.
    """
    store = RunStore(Path(folder))
    run = _read_json(store.path("run.json"))
    if run.get("state") not in ("complete", "partial"):
        raise IntegrityError(store.path("run.json"), "a run that ended", f"state {run.get('state')!r}", REMEDY)
    vault = vault_of_run(folder, key_file)
    try:
        return _verify(store, run, vault)
    except IntegrityError:
        raise
    except Exception as error:  # whatever a damaged file makes of its reader is the finding
        found = f"{type(error).__name__}: {error}"
        raise IntegrityError(folder, "files as a run leaves them", found, REMEDY) from error


def _verify(store: RunStore, run: dict[str, Any], vault: Vault) -> list[str]:
    cameras = run["cameras"]
    check = checker(str(store.path("run.json")))
    check("state", run["state"], "partial" if run["failures"] else "complete")
    check("cameras that were read, finished or failed", set(run["inputs"]) - set(cameras) - set(run["failures"]), set())
    said = [verify_camera(name, store.camera_folder(name), facts, vault) for name, facts in sorted(cameras.items())]
    said.append(_verify_tables(store, run))
    return said


def _verify_tables(store: RunStore, run: dict[str, Any]) -> str:
    manifest = Manifest.load(store.folder, RUN_STAGES)
    for stage in ("tables", "report"):
        if not manifest.is_complete(stage):
            raise IntegrityError(store.folder, f"the stage {stage} to be complete", "it is not", REMEDY)
        manifest.require_good(stage)
    check, cameras = checker(str(store.folder)), run["cameras"]
    boxes = sum(facts["boxes"] for facts in cameras.values())
    table = read_tracklets_csv(store.path("tracklets.csv"))
    rows = {name: 0 for name in cameras} | {name: 0 for name in table.table.camera_ids}
    for row in range(len(table.table)):
        rows[table.table.camera_id(row)] += 1
    for name in rows:
        check(f"rows of tracklets.csv for {name}", rows[name], cameras.get(name, {}).get("tracklets", 0))
    check("frames in tracklets.csv", int(table.facts.frames.sum()), boxes)
    check("rows of cityflow.txt", _lines(store.path("cityflow.txt")), boxes)
    mot = sum(_lines(store.path("mot") / f"{folder_name(camera)}.txt") for camera in cameras)
    check("rows of mot/", mot, boxes)
    vehicle_of = {table.table.key(row): int(gid) for row, gid in enumerate(table.global_ids)}
    check("tracklets, each once", len(vehicle_of), len(table.table))
    links = _verify_links(check, store, vehicle_of)
    vehicles = read_global_tracks_csv(store.path("global_tracks.csv"))
    check("vehicles of global_tracks.csv", set(vehicles["global_id"].tolist()), set(vehicle_of.values()))
    check("tracklets of global_tracks.csv", int(vehicles["tracklets"].sum()), len(vehicle_of))
    counts = {"tracklets": len(vehicle_of), "links": links, "vehicles": len(vehicles["global_id"])}
    check("counts of run.json", run["counts"], counts)
    _no_vehicle_twice_at_once(store, table.table, table.global_ids)
    return f"{len(vehicle_of)} tracklets, {links} links, {boxes} boxes"


def _verify_links(check: Check, store: RunStore, vehicle_of: dict[_Key, int]) -> int:
    """Every pair of matches.csv and candidates.csv is of tracklets that exist, and of one vehicle where linked."""
    path = store.path("matches.csv")
    links = read_matches_csv(path)
    for side in "ab":
        for key, vehicle in zip(_keys(links, side), links["global_id"].tolist(), strict=True):
            if vehicle_of.get(key) != vehicle:
                found = f"vehicle {vehicle_of[key]}" if key in vehicle_of else "no such tracklet"
                expected = f"{key[0]} track {key[1]} to belong to vehicle {vehicle}"
                raise IntegrityError(path, expected, found, REMEDY)
    candidates = read_candidates_csv(store.path("candidates.csv"))
    pairs = list(zip(_keys(candidates, "a"), _keys(candidates, "b"), strict=True))
    unknown = [key for pair in pairs for key in pair if key not in vehicle_of]
    check("tracklets of candidates.csv that do not exist", unknown[:1], [])
    accepted = {pair for pair, yes in zip(pairs, candidates["accepted"].tolist(), strict=True) if yes}
    linked = set(zip(_keys(links, "a"), _keys(links, "b"), strict=True))
    check("links that candidates.csv does not hold as accepted", sorted(linked - accepted)[:1], [])
    check("accepted candidates that matches.csv does not hold", sorted(accepted - linked)[:1], [])
    return len(linked)


def _keys(columns: dict[str, Any], side: str) -> list[_Key]:
    return list(zip(columns[f"camera_{side}"].tolist(), columns[f"track_{side}"].tolist(), strict=True))


def _no_vehicle_twice_at_once(store: RunStore, table: Any, global_ids: np.ndarray) -> None:
    order = np.lexsort((table.start_s, table.camera_rows, global_ids))
    for first, second in itertools.pairwise(order):
        same = global_ids[first] == global_ids[second] and table.camera_rows[first] == table.camera_rows[second]
        if same and table.start_s[second] < table.end_s[first]:
            found = f"vehicle {global_ids[first]} twice at once in {table.camera_id(int(first))}"
            raise IntegrityError(store.path("tracklets.csv"), "a vehicle once at a time in a camera", found, REMEDY)


def _lines(path: Path) -> int:
    return sum(1 for line in path.read_bytes().splitlines() if line.strip())


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise IntegrityError(path, "the run.json of a run", str(error), "Name the folder of a run.") from error
    if not isinstance(content, dict):
        raise IntegrityError(path, "the run.json of a run", type(content).__name__, "Name the folder of a run.")
    return content


def main(argv: list[str] | None = None) -> int:
    """`tools/verify_run.py RUN`: exit 0 where everything holds, 5 with the first thing that does not."""
    import argparse

    parser = argparse.ArgumentParser(prog="verify_run.py", description="Check that a finished run is whole.")
    parser.add_argument("run", type=Path, help="a run folder")
    parser.add_argument("--key-file", type=Path, metavar="FILE", help="the key of an encrypted run (or MTMC_KEY_FILE)")
    arguments = parser.parse_args(argv)

    def work() -> None:
        for sentence in [*verify_run(arguments.run, arguments.key_file), "everything holds"]:
            print(sentence)

    return ended_in_words(work)
