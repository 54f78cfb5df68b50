"""Disks that are full or cannot be written, folders that vanish, too few file handles, closed terminals (matrix D)."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.background import command_line, committed, run_here, started
from tests.faults.conftest import World
from tests.running import files_below


@contextlib.contextmanager
def small_disk(path: Path, options: str) -> Iterator[None]:
    """A file system of its own at `path`; skips, with the reason, where this machine does not allow one."""
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)]
    mounted = subprocess.run(mount, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"NOT TRIED: this machine mounts no tmpfs: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def remount(path: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(path)], check=True)


def limited(limits: str, world: World, out: Path, redirect: str = "") -> subprocess.CompletedProcess[str]:
    """The command in a shell with limits or redirections of its own."""
    command = " ".join(map("'{}'".format, command_line(*world.arguments(out))))
    shell = ["bash", "-c", f"{limits}; {command} {redirect}"]
    return subprocess.run(shell, capture_output=True, text=True, timeout=300)


def refused(done: subprocess.CompletedProcess[str], words: str) -> None:
    """It ended with 4 and one sentence on stderr."""
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert words in done.stderr


def test_a_full_disk_stops_the_run_and_more_room_lets_it_go_on(small: World, tmp_path: Path) -> None:
    """At several sizes it is full at another moment: commits, tables, crops, the tables over all cameras."""
    disk = tmp_path / "disk"
    needed_kb = sum(os.stat(path).st_blocks for path in small.out.rglob("*")) // 2
    with small_disk(disk, "size=40k"):
        for share in (0.1, 0.5, 0.93):
            remount(disk, f"size={int(needed_kb * share)}k")
            refused(run_here(*small.arguments(disk / "run")), "o space left")
            assert not list(disk.rglob(".partial-*"))
        remount(disk, "size=64m")
        again = run_here(*small.arguments(disk / "run"))
        assert again.returncode == 0, again.stderr
        assert files_below(disk / "run") == small.files


def test_a_limit_on_file_sizes_is_like_a_full_disk(single: World, tmp_path: Path) -> None:
    refused(limited("ulimit -f 8", single, tmp_path / "run"), "File too large")
    assert run_here(*single.arguments(tmp_path / "run")).returncode == 0
    assert files_below(tmp_path / "run") == single.files


def test_a_read_only_disk_is_found_out_before_any_work(single: World, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=8m,ro"):
        refused(run_here(*single.arguments(tmp_path / "disk" / "run")), "Read-only file system")


def test_a_file_in_the_way(single: World, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused(run_here(*single.arguments(tmp_path / "file")), f"{tmp_path}/file: expected a folder")
    refused(run_here(*single.arguments(tmp_path / "file" / "run")), "Not a directory")
    out = tmp_path / "run"
    (out / "matches.csv").mkdir(parents=True)
    refused(run_here(*single.arguments(out)), "matches.csv")


def test_a_link_in_the_way_is_replaced_and_not_followed(single: World, tmp_path: Path) -> None:
    precious, out = tmp_path / "precious.txt", tmp_path / "run"
    precious.write_text("keep me")
    shutil.copytree(single.out, out)
    crop = sorted((out / "cameras/a/crops").iterdir())[0]
    for path in (crop, out / "matches.csv", out / "cameras/a/features.npy", out / "run.json"):
        path.unlink()
        path.symlink_to(precious)
    assert run_here(*single.arguments(out)).returncode == 0
    assert precious.read_text() == "keep me"
    assert files_below(out) == single.files


def test_a_run_folder_that_is_deleted_meanwhile_does_not_come_back(long: World, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with started(*long.arguments(out, "--set", "process.commit_s=0.1")) as command:
        command.wait_for(lambda: committed(out, "a", "detections") > 0 and committed(out, "b", "detections") > 0)
        out.rename(tmp_path / "gone")  # in one step; as deleted for the run
        code, _, stderr = command.finish()
    assert code == 4
    assert stderr.count("\n") == 1
    assert "No such file or directory" in stderr
    assert not out.exists()


def test_without_permission(small: World, tmp_path: Path) -> None:
    """Root reads and writes everything, so the command runs without that privilege."""
    plain: list[str] = []
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("NOT TRIED: root needs setpriv to give up its privilege")
        plain = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    for name in ("cams", "det"):
        shutil.copytree(getattr(small, name), tmp_path / name)
    (tmp_path / "cams" / "b.mp4").chmod(0)
    (tmp_path / "theirs").mkdir(mode=0o555)
    world = World(tmp_path / "cams", tmp_path / "det", tmp_path, {})

    def run(out: Path) -> subprocess.CompletedProcess[str]:
        command = [*plain, *command_line(*world.arguments(out))]
        return subprocess.run(command, capture_output=True, text=True, timeout=300)

    refused(run(tmp_path / "theirs" / "run"), "Permission denied")
    refused(run(tmp_path / "theirs"), "Permission denied")
    done = run(tmp_path / "mine")
    assert done.returncode == 3, done.stderr
    assert "failed: b: " in done.stderr
    assert "Permission denied" in done.stderr
    assert "Traceback" not in done.stderr
    assert set(json.loads((tmp_path / "mine" / "run.json").read_text())["cameras"]) == {"a", "c"}


def test_too_few_file_handles(single: World, tmp_path: Path) -> None:
    done = limited("ulimit -n 13", single, tmp_path / "run")
    refused(done, "Too many open files")
    assert run_here(*single.arguments(tmp_path / "run")).returncode == 0
    assert files_below(tmp_path / "run") == single.files


@pytest.mark.parametrize("redirect", [">&-", "2>&-", ">&- 2>&- <&-", "| head -c 1 >/dev/null; exit ${PIPESTATUS[0]}"])
def test_closed_terminals_and_readers_that_go_away(single: World, tmp_path: Path, redirect: str) -> None:
    done = limited("export PYTHONUNBUFFERED=1", single, tmp_path / "run", redirect)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert files_below(tmp_path / "run") == single.files
