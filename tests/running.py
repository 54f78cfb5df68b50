"""Running the real command in tests, and comparing what it leaves."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def run_command(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """`python tools/run_cameras.py …` as a user runs it."""
    command = [sys.executable, str(ROOT / "tools" / "run_cameras.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=cwd, check=False)


def files_below(folder: Path) -> dict[str, bytes]:
    """Every file of a run that must be the same after a resume: tables, features, crops; Parquet as content."""
    import polars as pl

    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if not path.is_file() or path.name in ("run.json", "manifest.json", ".lock", "report.html"):
            continue
        if path.suffix == ".parquet":
            found[name] = pl.read_parquet(path).write_json().encode() if "pieces" not in name else b""
            if "pieces" in name:
                found[name] = repr(pl.read_parquet(path).rows()).encode()
        else:
            found[name] = path.read_bytes()
    return found


def rerun_with_camera_name(world: Path, folder: Path, name: str) -> str:
    """The report of a run on one of the world's cameras under another name."""
    cams, det = folder / "cams", folder / "det"
    cams.mkdir()
    det.mkdir()
    shutil.copy(world / "cams" / "c001.mp4", cams / f"{name}.mp4")
    shutil.copy(world / "det" / "c001.txt", det / f"{name}.txt")
    done = run_command("--videos", cams, "--detections", det, "--out", folder / "run", "--embedder", "colour-texture")
    assert done.returncode == 0, done.stderr
    return (folder / "run" / "report.html").read_text()
