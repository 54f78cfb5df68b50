"""The real command with --encrypt: the same answers as a plain run, nothing readable, every change noticed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mtmc import cli
from mtmc.camera_store import read_crops, read_pieces
from mtmc.errors import ConfigError, InputError, IntegrityError
from mtmc.privacy import audit, decrypting
from mtmc.privacy.opening import vault_of_run
from mtmc.privacy.vault import PLAIN
from mtmc.verification import main as verify_main
from mtmc.verification import verify_run
from reid_models.data.run_folder import load_split
from tests.running import ROOT, run_command

SEALED = ("features.npy", "image_features.npy", "pieces.parquet", "view.jpg")
CAMERAS = ("c001", "c002", "c003")


@pytest.fixture(autouse=True)
def _no_key_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MTMC_KEY", "MTMC_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)


def arguments(world: Path, out: Path, *more: str | Path) -> list[str]:
    return ["--videos", str(world / "cams"), "--detections", str(world / "det"), "--out", str(out), "--embedder",
            "colour-texture", "--quiet", *map(str, more)]  # fmt: skip


def write_key(path: Path) -> Path:
    path.write_text(os.urandom(32).hex() + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_key(tmp_path_factory.mktemp("keys") / "run.key")


@pytest.fixture(scope="module")
def sealed_run(small_world: Path, key_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete encrypted run, with ShuffleBits; to be left as it is."""
    out = tmp_path_factory.mktemp("sealed") / "run"
    done = run_command(*arguments(small_world, out, "--encrypt", "--key-file", key_file, "--shuffle-bits"))
    assert done.returncode == 0, done.stderr
    assert "encrypted (AES-256-GCM" in done.stdout
    assert "chmod" not in done.stdout
    return out


def contents(run: Path, key_file: Path | None) -> dict[str, object]:
    """What lies behind the door, opened."""
    vault, found = vault_of_run(run, key_file), {}
    for camera in CAMERAS:
        folder = run / "cameras" / camera
        for path in [folder / "view.jpg", *sorted((folder / "crops").iterdir())]:
            found[f"{camera}/{path.name}"] = vault.read(path)
        for name in ("features.npy", "image_features.npy"):
            found[f"{camera}/{name}"] = vault.load_array(folder / name).tobytes()
        pieces = read_pieces(camera, folder / "pieces.parquet", vault)
        found[f"{camera}/pieces"] = [(p.tracklet.track_id, p.image_embeddings.tobytes()) for p in pieces]
        found[f"{camera}/jpegs"] = list(read_crops(folder / "pieces.parquet", vault))
    return found


def changed_behind_the_manifest(run: Path, camera: str, name: str) -> Path:
    """Flip a bit and mend the checksum, as somebody who may write to the disk can."""
    path, manifest_path = run / "cameras" / camera / name, run / "cameras" / camera / "manifest.json"
    data = bytearray(path.read_bytes())
    data[-3] ^= 16
    path.write_bytes(data)
    manifest = json.loads(manifest_path.read_text())
    for stage in manifest["stages"].values():
        for record in stage["files"]:
            if record["name"] == name:
                record["sha256"] = hashlib.sha256(data).hexdigest()
    manifest_path.write_text(json.dumps(manifest))
    return path


def test_the_same_tables_as_a_plain_run(sealed_run: Path, small_run: Path, key_file: Path) -> None:
    for name in ("matches.csv", "candidates.csv", "tracklets.csv", "global_tracks.csv", "cityflow.txt"):
        assert (sealed_run / name).read_bytes() == (small_run / name).read_bytes()
    assert contents(sealed_run, key_file) == contents(small_run, None)


def test_nothing_of_a_vehicle_can_be_read_without_the_key(sealed_run: Path, small_run: Path) -> None:
    for camera in CAMERAS:
        folder = sealed_run / "cameras" / camera
        for path in [*(folder / name for name in SEALED), *(folder / "crops").iterdir()]:
            assert path.read_bytes()[:8] == b"MTMCENC1", path
    assert not [p for p in sealed_run.rglob(".partial-*")]
    assert "data:image" in (small_run / "report.html").read_text()
    report = (sealed_run / "report.html").read_text()
    assert "data:image" not in report
    assert ">encrypted</div>" in report
    run = json.loads((sealed_run / "run.json").read_text())
    assert sorted(run["encryption"]) == ["cipher", "key_id", "shuffle_bits"]
    assert "encryption" not in json.loads((small_run / "run.json").read_text())


def test_the_key_is_nowhere_in_the_run(sealed_run: Path, key_file: Path) -> None:
    text = key_file.read_text().strip()
    for path in (p for p in sealed_run.rglob("*") if p.is_file()):
        data = path.read_bytes()
        assert text.encode() not in data, path
        assert bytes.fromhex(text) not in data, path


def test_each_shuffle_key_was_used_once(sealed_run: Path) -> None:
    used = (sealed_run / "shuffle_keys_used.txt").read_text().splitlines()
    assert len(used) == len(set(used)) == 2 * len(CAMERAS)


def test_the_same_command_again_does_nothing(small_world: Path, sealed_run: Path, key_file: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in sealed_run.rglob("*") if p.name not in ("run.json", ".lock")}
    done = run_command(*arguments(small_world, sealed_run, "--encrypt", "--key-file", key_file, "--shuffle-bits"))
    assert done.returncode == 0, done.stderr
    kept = {p: p.stat().st_mtime_ns for p in before if p.is_file()}
    assert kept == {p: t for p, t in before.items() if p.is_file()}


def test_verification_needs_the_key(
    sealed_run: Path, key_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert verify_run(sealed_run, key_file)[-1].endswith("boxes")
    assert verify_main([str(sealed_run)]) == 2
    assert "found no key" in capsys.readouterr().err
    assert verify_main([str(sealed_run), "--key-file", str(write_key(tmp_path / "other"))]) == 5
    assert "Give the key that the run was made with" in capsys.readouterr().err
    monkeypatch.setenv("MTMC_KEY", key_file.read_text())
    assert verify_main([str(sealed_run)]) == 0


@pytest.mark.parametrize("name", ["features.npy", "image_features.npy", "pieces.parquet", "view.jpg", "crops"])
def test_a_change_is_noticed_even_where_the_checksum_was_mended(
    sealed_run: Path, key_file: Path, tmp_path: Path, name: str
) -> None:
    run = Path(shutil.copytree(sealed_run, tmp_path / "run"))
    if name == "crops":
        name = f"crops/{min(p.name for p in (run / 'cameras' / 'c002' / 'crops').iterdir())}"
    path = changed_behind_the_manifest(run, "c002", name)
    with pytest.raises(IntegrityError, match="changed, cut or moved") as caught:
        verify_run(run, key_file)
    assert str(path) in str(caught.value)


def test_the_command_itself_stops_at_a_changed_file(
    small_world: Path, sealed_run: Path, key_file: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(sealed_run, tmp_path / "run"))
    changed_behind_the_manifest(run, "c001", "features.npy")
    (run / "matches.csv").unlink()
    done = run_command(*arguments(small_world, run, "--encrypt", "--key-file", key_file, "--shuffle-bits"))
    assert done.returncode == 5, done.stderr
    assert "features.npy" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_interrupted_run_goes_on_from_its_encrypted_pieces(
    small_world: Path, sealed_run: Path, key_file: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(sealed_run, tmp_path / "run"))
    for camera in CAMERAS:  # as a kill after the pieces leaves it
        path = run / "cameras" / camera / "manifest.json"
        manifest = json.loads(path.read_text())
        del manifest["stages"]["tracklets"]
        path.write_text(json.dumps(manifest))
    before = {c: (run / "cameras" / c / "pieces.parquet").stat().st_mtime_ns for c in CAMERAS}
    done = run_command(*arguments(small_world, run, "--encrypt", "--key-file", key_file, "--shuffle-bits"))
    assert done.returncode == 0, done.stderr
    assert {c: (run / "cameras" / c / "pieces.parquet").stat().st_mtime_ns for c in CAMERAS} == before
    assert contents(run, key_file) == contents(sealed_run, key_file)
    assert verify_run(run, key_file)


def test_another_key_redoes_what_was_encrypted_and_keeps_the_detections(
    small_world: Path, sealed_run: Path, tmp_path: Path
) -> None:
    run, other = Path(shutil.copytree(sealed_run, tmp_path / "run")), write_key(tmp_path / "other.key")
    before = {p: p.stat().st_mtime_ns for p in (run / "cameras").rglob("*.parquet")}
    done = run_command(*arguments(small_world, run, "--encrypt", "--key-file", other))
    assert done.returncode == 0, done.stderr
    assert "another key" in done.stdout
    kept = {p.name for p in before if p.stat().st_mtime_ns == before[p]}
    assert kept == {"detections.parquet"}
    assert verify_run(run, other)


@pytest.mark.parametrize(("options", "words"), [
    ((), "is an encrypted run"),
    (("--encrypt",), "--key-file FILE, MTMC_KEY_FILE or MTMC_KEY"),
    (("--encrypt", "--key-file", "KEY", "--render"), "--render with --encrypt"),
    (("--shuffle-bits",), "ShuffleBits by itself hides nothing"),
    (("--key-file", "KEY"), "Add --encrypt"),
    (("--encrypt", "--key-file", "absent.key"), "key file that can be read"),
])  # fmt: skip
def test_what_cannot_be_meant_gets_a_sentence(
    small_world: Path, sealed_run: Path, key_file: Path, options: tuple[str, ...], words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    given = [str(key_file) if option == "KEY" else option for option in options]
    before = (sealed_run / "run.json").read_bytes()
    assert cli.main(arguments(small_world, sealed_run, *given)) == 2
    assert words in capsys.readouterr().err
    assert (sealed_run / "run.json").read_bytes() == before


def test_plain_pictures_of_an_earlier_run_are_not_left_lying(
    small_world: Path, key_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mosaic.mp4").touch()
    assert cli.main(arguments(small_world, tmp_path / "run", "--encrypt", "--key-file", key_file)) == 2
    assert "mosaic.mp4: expected no plain pictures" in capsys.readouterr().err


def test_an_open_key_file_is_warned_of(
    small_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = write_key(tmp_path / "open.key")
    key.chmod(0o644)
    options = ("--encrypt", "--key-file", key, "--dry-run")
    assert cli.main(arguments(small_world, tmp_path / "run", *options)) == 0
    assert "chmod 600" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_encrypting_a_plain_run_leaves_no_plain_file(
    small_world: Path, small_run: Path, key_file: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(small_run, tmp_path / "run"))
    done = run_command(*arguments(small_world, run, "--encrypt", "--key-file", key_file))
    assert done.returncode == 0, done.stderr
    for folder in (run / "cameras").iterdir():
        for path in [*(folder / name for name in SEALED), *(folder / "crops").iterdir()]:
            assert path.read_bytes()[:8] == b"MTMCENC1", path
    assert "data:image" not in (run / "report.html").read_text()
    assert not (run / "shuffle_keys_used.txt").exists()


def test_the_audit_of_a_run(
    sealed_run: Path, small_run: Path, key_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = audit.audit_run(small_run)
    assert [result.attribute for result in plain.attributes] == ["camera", "class", "colour", "size", "direction"]
    assert plain.tracklets == sum(len(np.load(small_run / f"cameras/{c}/features.npy")) for c in CAMERAS)
    assert audit.main([str(sealed_run)]) == 2
    assert "found no key" in capsys.readouterr().err
    assert audit.main([str(sealed_run), "--key-file", str(key_file), "--json", str(tmp_path / "a.json")]) == 0
    assert "attribute" in capsys.readouterr().out
    assert json.loads((tmp_path / "a.json").read_text()) == json.loads(json.dumps(audit.to_json(plain)))
    assert audit.main([str(tmp_path)]) == 2
    assert "finished run" in capsys.readouterr().err


def test_a_plain_copy_for_training(
    sealed_run: Path, small_run: Path, key_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match=r"decrypt_run\.py"):
        load_split(sealed_run, "all")
    out = tmp_path / "plain"
    assert decrypting.main([str(sealed_run), str(out)]) == 2
    assert not out.exists()
    assert decrypting.main([str(sealed_run), str(out), "--key-file", str(key_file)]) == 0
    assert "personal data in plain text" in capsys.readouterr().out
    assert contents(out, None) == contents(small_run, None)
    assert verify_run(out)
    assert len(load_split(out, "all")) == len(load_split(small_run, "all")) > 0
    for folder, words in ((sealed_run, "does not exist yet"), (small_run, "an encrypted run")):
        assert decrypting.main([str(folder), str(out), "--key-file", str(key_file)]) == 2
        assert words in capsys.readouterr().err


def test_a_run_that_is_none_and_a_run_without_encryption(small_run: Path, tmp_path: Path) -> None:
    assert vault_of_run(small_run) is PLAIN
    assert vault_of_run(tmp_path) is PLAIN
    with pytest.raises(ConfigError, match="32 random bytes"):
        (tmp_path / "run.json").write_text('{"encryption": {"key_id": "0"}}')
        (tmp_path / "bad.key").write_text("no")
        vault_of_run(tmp_path, tmp_path / "bad.key")


@pytest.mark.slow
@pytest.mark.parametrize("after_s", [1.5, 3.0, 4.5])
def test_a_killed_encrypted_run_goes_on(
    small_world: Path, sealed_run: Path, key_file: Path, tmp_path: Path, after_s: float
) -> None:
    words = arguments(small_world, tmp_path / "run", "--encrypt", "--key-file", key_file, "--set",
                      "process.commit_s=0.2", "--shuffle-bits")  # fmt: skip
    command = [sys.executable, str(ROOT / "tools" / "run_cameras.py"), *words]
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(after_s)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = run_command(*words)
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "run", key_file) == contents(sealed_run, key_file)
    assert verify_run(tmp_path / "run", key_file)
