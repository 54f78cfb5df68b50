"""Passwords in addresses stay out of every message, log and file (matrix G8)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mtmc.errors import mask_credentials
from tests.faults import footage
from tests.faults.background import command_line
from tests.faults.conftest import World
from tests.faults.footage import SETTINGS
from tests.running import ROOT

SECRET = "S3cr3t"
ADDRESS = f"rtsp://admin:{SECRET}@127.0.0.1:554/cam"


@pytest.mark.parametrize("arguments", [
    ["--videos", ADDRESS],
    ["--videos", ".", f"--videoss={ADDRESS}"],
    ["--videos", ".", "--config", f"http://u:{SECRET}@h/x.yaml"],
    ["--videos", ".", "--set", ADDRESS],
    ["--videos", "CAMS", "--detector", f"https://host/yolo26n.pt?token={SECRET}"],
    ["--videos", "CAMS", "--detections", ADDRESS],
    ["--videos", "CAMS", "--weights", f"https://u:{SECRET}@h/w.safetensors"],
    ["--videos", "CAMS", "--truth", f"ftp://u:{SECRET}/{SECRET}@h/t.txt"],
])  # fmt: skip
def test_messages(small: World, tmp_path: Path, arguments: list[str]) -> None:
    arguments = [str(small.cams) if argument == "CAMS" else argument for argument in arguments]
    done = subprocess.run(command_line(*arguments), capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert done.returncode == 2
    assert "***" in done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


def test_files(tmp_path: Path) -> None:
    """A folder may be named like an address; what a run writes about it is masked too."""
    cams = tmp_path / "rtsp:" / f"admin:{SECRET}@host" / "cams"
    footage.clip(cams / "good.mp4", 30)
    (cams / "bad.mp4").write_text("no video")
    footage.boxes(tmp_path / "det" / "good.txt", 30)
    command = command_line("--videos", f"rtsp://admin:{SECRET}@host/cams", "--detections", "det", "--out", "out",
                           "--set", f"detector.recorded_name={ADDRESS}", *SETTINGS)  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert done.returncode == 3, done.stderr
    assert "rtsp:/***@host/cams/bad.mp4" in done.stderr
    assert SECRET not in done.stdout + done.stderr
    found = [path for path in (tmp_path / "out").rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert found == []
    verified = subprocess.run([sys.executable, str(ROOT / "tools" / "verify_run.py"), "out"], cwd=tmp_path,
                              capture_output=True, text=True, timeout=300)  # fmt: skip
    assert verified.returncode == 0, verified.stderr


@pytest.mark.parametrize(("text", "masked"), [
    ("rtsp://u:p@h/x", "rtsp://***@h/x"),
    ("rtsp:/u:p@h/x", "rtsp:/***@h/x"),
    ("rtsp://u:p@ss/w@h/x and http://v:q@h", "rtsp://***@h/x and http://***@h"),
    ("http://token@h", "http://***@h"),
    ("http://h/a?user=1&password=p&x=2", "http://h/a?user=1&password=***&x=2"),
    ("http://h/a?access_token=p", "http://h/a?access_token=***"),
    ("'rtsp://u:p@h' failed", "'rtsp://***@h' failed"),
    ("http://h/path/@name", "http://h/path/@name"),
    ("/data/a@b/c.mp4: 12@3", "/data/a@b/c.mp4: 12@3"),
])  # fmt: skip
def test_what_is_masked(text: str, masked: str) -> None:
    assert mask_credentials(text) == masked
