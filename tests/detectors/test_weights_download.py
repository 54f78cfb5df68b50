"""Fetching weights from a server on this machine: only what has the right hash gets a name."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from detectors import weights_download
from detectors.weights_download import MIRROR_VARIABLE, Source, download_weights, source_of
from mtmc.errors import ConfigError, WeightsError

CONTENT = b"weights " * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server:
    """Serves `files`; counts what was asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.cut = 0
        self.content_type = "application/octet-stream"
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                content = outer.files.get(self.path)
                if content is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Type", outer.content_type)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) - outer.cut])

            def log_message(self, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_address[1]}/w"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    monkeypatch.setenv(MIRROR_VARIABLE, server.address)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield server
    server.http.shutdown()
    thread.join()
    server.http.server_close()


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_file_without_a_stated_hash_is_used_once_its_hash_is_given_back(server: Server, tmp_path: Path) -> None:
    server.files["/w/yolov8n.pt"] = CONTENT
    folder = tmp_path / "weights"
    with pytest.raises(WeightsError, match=f"--download-sha256 {SHA256}"):
        download_weights("yolov8n", folder)
    assert listed(folder) == ["yolov8n.pt.unconfirmed"]
    path = download_weights("yolov8n", folder, SHA256)
    assert path.read_bytes() == CONTENT
    assert listed(folder) == ["yolov8n.pt"]
    assert len(server.asked) == 1, "the file that was kept aside is not fetched again"
    assert download_weights("yolov8n", folder) == path, "what lies there is used"
    assert len(server.asked) == 1


def test_a_wrong_hash_leaves_nothing(server: Server, tmp_path: Path) -> None:
    server.files["/w/yolov8n.pt"] = CONTENT
    with pytest.raises(WeightsError, match=SHA256):
        download_weights("yolov8n", tmp_path, "0" * 64)
    assert listed(tmp_path) == []


def test_a_stated_hash_is_held_to(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.files["/w/yolo26n.pt"] = CONTENT
    with pytest.raises(WeightsError, match="9b09cc8b"):
        download_weights("yolo26n", tmp_path)
    assert listed(tmp_path) == []
    monkeypatch.setattr(weights_download, "source_of", lambda name: Source("https://x/yolo26n.pt", SHA256[:8]))
    assert download_weights("yolo26n.pt", tmp_path).name == "yolo26n.pt"


def test_a_file_that_lies_there_must_have_the_hash_asked_for(server: Server, tmp_path: Path) -> None:
    (tmp_path / "yolov8n.pt").write_bytes(b"older")
    with pytest.raises(WeightsError, match="Delete it"):
        download_weights("yolov8n", tmp_path, SHA256)
    assert server.asked == []


def test_a_connection_that_breaks(server: Server, tmp_path: Path) -> None:
    server.files["/w/yolov8n.pt"] = CONTENT
    server.cut = 100
    with pytest.raises(WeightsError, match="repeat the command"):
        download_weights("yolov8n", tmp_path)
    assert listed(tmp_path) == []


def test_a_web_page_and_a_missing_file(server: Server, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="404"):
        download_weights("yolov8n", tmp_path)
    server.files["/w/yolov8n.pt"] = b"<html>log in</html>"
    server.content_type = "text/html; charset=utf-8"
    with pytest.raises(WeightsError, match="a web page"):
        download_weights("yolov8n", tmp_path)
    assert listed(tmp_path) == []


def test_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MIRROR_VARIABLE, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(WeightsError, match="Without a network, put the file"):
        download_weights("yolov8n", tmp_path)


@pytest.mark.parametrize(("name", "sha256", "words"), [
    ("yolo26nano", "", "Did you mean yolo26n"),
    ("../../etc/passwd", "", "--download"),
    ("yolo26n", "abc", "64 hexadecimal"),
])  # fmt: skip
def test_what_cannot_be_asked_for(tmp_path: Path, name: str, sha256: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        download_weights(name, tmp_path, sha256)


def test_a_mirror_must_be_a_web_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MIRROR_VARIABLE, "file:///etc")
    with pytest.raises(ConfigError, match=MIRROR_VARIABLE):
        download_weights("yolov8n", tmp_path)


def test_addresses() -> None:
    assert source_of("yolo26n").url == "https://github.com/ultralytics/assets/releases/download/v8.4.0/yolo26n.pt"
    assert source_of("yolox_s").url.endswith("/0.1.1rc0/yolox_s.onnx")
    torchvision = source_of("fasterrcnn_resnet50_fpn_v2")
    assert torchvision.sha256_start == "dd69338a"
    assert torchvision.url.startswith("https://download.pytorch.org/models/")
    assert source_of("nothing") is None
