"""Fetching weights into the weights folder, only when asked (`--download NAME`), and only with a known hash.

A publicly stated hash is checked. Where none is known, the file is kept aside, its own hash is shown, and it is
used only once that hash is given back: a run's weights are then what its command line says.
"""

from __future__ import annotations

import http.client
import os
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from detectors.weights_folder import KNOWN_AP, TORCHVISION_FILES
from mtmc.config import did_you_mean
from mtmc.errors import ConfigError, WeightsError
from mtmc.files import atomic_path, sha256_of

MIRROR_VARIABLE = "MTMC_WEIGHTS_MIRROR"  # a folder on a web server of one's own that holds the same files
_ULTRALYTICS = "https://github.com/ultralytics/assets/releases/download"
_YOLOX = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0"
_TORCHVISION = "https://download.pytorch.org/models"
_MAX_BYTES = 2 << 30  # the largest public detector takes a fifth
_SILENCE_S = 30.0
_BLOCK = 1 << 20
# SHA-256 of release files, as at least two unrelated public repositories state them. For others none was found.
_STATED = {
    "yolo26n": "9b09cc8bf347f0fc8a5f7657480587f25db09b34bf33b0652110fb03a8ad4fef",
    "yolo26s": "646f8bc3fe0a656803d95c294f7852321748cb29d13466a1af8862e2db384a1b",
    "yolo26m": "401cea9ab23ad19246ff7744859816bc599f350e93c9dd30367b6f0a0745d0b7",
    "yolo26l": "9fe3c544f2b19bebad7ea41e76d7ad3d88b7c2f10d11d24430c5311f6b32db26",
    "yolo26x": "9fdd44a31c504547ffb81d2c6d9e6dac3493c8eaa8b0398d3f43bae6c7003e92",
    "yolo11n": "0ebbc80d4a7680d14987a577cd21342b65ecfd94632bd9a8da63ae6417644ee1",
    "yolo11s": "85a76fe86dd8afe384648546b56a7a78580c7cb7b404fc595f97969322d502d5",
    "yolo11m": "d5ffc1a674953a08e11a8d21e022781b1b23a19b730afc309290bd9fb5305b95",
    "yolo11l": "9ebd0e09d59811db4b1d61e2bc6730649608b1ac47f8dd01e2da6bca7c20023f",
    "yolo11x": "7bc158aa95c0ebfdd87f70f01653c1131b93e92522dbe15c228bcd742e773a24",
    "yolox_nano": "c789161ed43c8269fcd4e67c67eeeb4e80c622da2eb296a20bc6007bd18a0b7d",
    "yolox_tiny": "427cc366d34e27ff7a03e2899b5e3671425c262ea2291f88bb942bc1cc70b0f7",
    "yolox_s": "c5c2d13e59ae883e6af3b45daea64af4833a4951c92d116ec270d9ddbe998063",
}


@dataclass(frozen=True)
class Source:
    """Where a model's file is published. sha256_start: the part of its hash that is publicly stated, or empty."""

    url: str
    sha256_start: str = ""

    @property
    def file_name(self) -> str:
        """The name that it keeps in the weights folder."""
        return self.url.rpartition("/")[2]


def source_of(name: str) -> Source | None:
    """The public source of a model, or None."""
    if name in TORCHVISION_FILES:
        file = TORCHVISION_FILES[name]
        # Torch's own rule: a file's name ends with the first eight digits of its hash.
        return Source(f"{_TORCHVISION}/{file}", file.removesuffix(".pth").rpartition("-")[2])
    if name.startswith("yolox_") and name in KNOWN_AP:
        return Source(f"{_YOLOX}/{name}.onnx", _STATED.get(name, ""))
    release = "v8.4.0" if name.startswith("yolo26") else "v8.3.0"
    return Source(f"{_ULTRALYTICS}/{release}/{name}.pt", _STATED.get(name, "")) if name in KNOWN_AP else None


def can_download(name: str) -> bool:
    """Whether `name` can be fetched."""
    return source_of(name) is not None


def download_weights(name: str, folder: Path, sha256: str = "") -> Path:
    """The file of model `name` in `folder`, fetched if it is not there.

    sha256: what the file must hash to; may be left out where it is publicly stated. Raises `ConfigError` for an
    unknown name or a malformed hash, `WeightsError` where the file cannot be had or is not the one expected.
    """
    name = name.removesuffix(".pt").removesuffix(".onnx")
    source = source_of(name)
    if source is None:
        raise ConfigError("--download", "the name of a public model", name,
                          did_you_mean(name, [*KNOWN_AP, *TORCHVISION_FILES]))
    wanted = sha256.strip().lower().removeprefix("sha256:")
    if wanted and not re.fullmatch(r"[0-9a-f]{64}", wanted):
        raise ConfigError("--download-sha256", "64 hexadecimal digits", sha256)
    target = Path(folder) / source.file_name
    if target.is_file():
        if wanted and sha256_of(target) != wanted:
            raise WeightsError(target, f"SHA-256 {wanted}", sha256_of(target), "Delete it and repeat the command.")
        return target
    aside = target.with_name(f"{target.name}.unconfirmed")
    if not aside.is_file() or not _is_expected(sha256_of(aside), wanted, source):
        with atomic_path(aside) as temporary:
            _fetch(_address(source), temporary)
    return _accept(name, source, aside, target, wanted)


def _accept(name: str, source: Source, aside: Path, target: Path, wanted: str) -> Path:
    """Give the file its name where its hash is the expected one; refuse it where it is another or none is known."""
    found = sha256_of(aside)
    if not _is_expected(found, wanted, source):
        aside.unlink()
        expected = wanted or f"{source.sha256_start}{'' if len(source.sha256_start) == 64 else '…'}, as stated publicly"
        raise WeightsError(_address(source), f"a file with SHA-256 {expected}", found, "It was deleted.")
    if not wanted and not source.sha256_start:
        raise WeightsError(
            _address(source), "a hash to hold the file to, as none is publicly stated", f"SHA-256 {found}",
            f"Compare it with a source you trust, then repeat with --download {name} --download-sha256 {found}",
        )  # fmt: skip
    os.replace(aside, target)
    return target


def _is_expected(found: str, wanted: str, source: Source) -> bool:
    return found.startswith(source.sha256_start) and (not wanted or found == wanted)


def _address(source: Source) -> str:
    mirror = os.environ.get(MIRROR_VARIABLE, "").rstrip("/")
    if mirror and not mirror.startswith(("https://", "http://")):
        raise ConfigError(MIRROR_VARIABLE, "an address that starts with https://", mirror)
    return f"{mirror}/{source.file_name}" if mirror else source.url


def _fetch(url: str, path: Path) -> None:
    """Write what `url` gives to `path`. Raises `WeightsError` for anything but a whole file."""
    remedy = f"Without a network, put the file into {path.parent} yourself."
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "mtmc-vehicle-reid"})
        with urllib.request.urlopen(request, timeout=_SILENCE_S) as answer:
            if answer.headers.get_content_type() == "text/html":
                raise WeightsError(url, "a weights file", "a web page", remedy)
            stated = answer.headers.get("Content-Length", "")
            with path.open("wb") as file:
                size = _copy(answer, file, url, int(stated) if stated.isdigit() else 0)
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError, ValueError) as error:
        raise WeightsError(url, "an answer", str(error) or type(error).__name__, remedy) from error
    if size == 0 or (stated.isdigit() and size != int(stated)):
        raise WeightsError(url, f"{stated or 'some'} bytes", str(size), "The connection broke: repeat the command.")


def _copy(answer: http.client.HTTPResponse, file: BinaryIO, url: str, total: int) -> int:
    from tqdm import tqdm

    size = 0
    name = url.rpartition("/")[2]
    with tqdm(total=total or None, desc=name, unit="B", unit_scale=True, disable=None, leave=False) as bar:
        while block := answer.read(_BLOCK):
            size += len(block)
            if size > _MAX_BYTES:
                raise WeightsError(url, f"at most {_MAX_BYTES >> 20} MiB", "more")
            file.write(block)
            bar.update(len(block))
    return size
