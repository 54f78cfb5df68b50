"""A finished run in one small file, and back: `tools/archive_run.py` (seeds_digest G).

An archive is a zip file. Tables, boxes and pages are deflated as they are; features become compact descriptors; crops
go through the block codec where that is asked for; what is kept only to take an interrupted run up again (crops and
vectors inside the table of pieces) is left out. Restored features are unit vectors near the old ones, restored crops
are JPEG files of the decoded pictures, and checksums are renewed, so that a restored run verifies. `run_cameras` over a
restored run watches the videos again.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from mtmc import files
from mtmc.archive.descriptors import Compact, DescriptorConfig, compress, restore
from mtmc.errors import ConfigError, InputError, IntegrityError
from mtmc.manifest import MANIFEST_NAME
from mtmc.privacy.opening import vault_of_run
from mtmc.run_store import LOCK_NAME, RunStore

FORMAT = "mtmc-archive-1"
HEADER = "archive.json"
FEATURES = ("features.npy", "image_features.npy")
PIECES = "pieces.parquet"
_CODES, _CROPS = "vectors/", "crops.blocks"
_TIME = (1980, 1, 1, 0, 0, 0)  # of every entry: the same run gives the same bytes
_JPEG_QUALITY = 95


@dataclass(frozen=True)
class ArchiveConfig:
    """features: their form. crops: "keep" the JPEG files, code them in "blocks", or leave out ("none"); blocks need
    `codec`, a file. target_psnr, search_steps: of the block codec."""

    features: DescriptorConfig = field(default_factory=DescriptorConfig)
    crops: str = "keep"
    codec: Path | None = None
    target_psnr: float = 27.0
    search_steps: int = 0

    def __post_init__(self) -> None:
        if self.crops not in ("keep", "blocks", "none"):
            raise ConfigError("crops", "keep, blocks or none", self.crops)


@dataclass(frozen=True)
class Sizes:
    """Bytes of the run and of the archive; of crops and of features before and after."""

    run: int
    archive: int
    crops: tuple[int, int]
    features: tuple[int, int]


def archive_run(folder: Path, target: Path, config: ArchiveConfig) -> Sizes:
    """Write the run in `folder` to the file `target`.

    Raises `InputError` where there is no finished run, `ConfigError` for an encrypted one or a target that exists.
    """
    folder = Path(folder)
    run = RunStore(folder).read_run_json()
    if run.get("state") not in ("complete", "partial"):
        raise InputError(folder, "the folder of a finished run", f"state {run.get('state')!r}")
    if vault_of_run(folder).sealed:
        raise ConfigError(folder, "a run in plain text", "an encrypted one", "Make a plain copy: tools/decrypt_run.py.")
    if target.exists():
        raise ConfigError(target, "a file that does not exist yet", "one that does", "Name another.")
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p.name != LOCK_NAME)
    with files.no_space_is_an_output_error(target), files.atomic_path(target) as temporary:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            crops, features = _write_all(archive, folder, names, config)
        size = temporary.stat().st_size
    return Sizes(sum((folder / name).stat().st_size for name in names), size, crops, features)


def restore_run(source: Path, out: Path, codec: Path | None = None) -> int:
    """Write the run of an archive to the new folder `out`; the number of its files.

    Raises `IntegrityError` for a file that is no archive or was changed, `ConfigError` where `out` exists.
    """
    if out.exists():
        raise ConfigError(out, "a folder that does not exist yet", "one that does", "Name another.")
    try:
        files.require_regular(source)
        with zipfile.ZipFile(source) as archive, files.no_space_is_an_output_error(out):
            bad = archive.testzip()
            if bad is not None:
                raise IntegrityError(source, "the bytes as they were written", f"{bad} changed")
            header = json.loads(archive.read(HEADER))
            if header.get("format") != FORMAT:
                raise IntegrityError(source, FORMAT, str(header.get("format")))
            _read_all(archive, header, out, codec)
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, OSError) as error:
        if isinstance(error, IntegrityError | ConfigError | InputError):
            raise
        raise IntegrityError(source, "a whole archive of a run", str(error), "Fetch another copy of it.") from error
    for path in out.rglob(MANIFEST_NAME):
        _renew(path)
    return sum(1 for path in out.rglob("*") if path.is_file())


def _write_all(
    archive: zipfile.ZipFile, folder: Path, names: list[str], config: ArchiveConfig
) -> tuple[tuple[int, int], tuple[int, int]]:
    header: dict[str, Any] = {"format": FORMAT, "features": asdict(config.features), "crops": config.crops, "coded": {}}
    before, after = 0, 0
    vectors = [n for n in names if n.startswith("cameras/") and PurePosixPath(n).name in FEATURES]
    for camera, own in _by_camera(names).items():
        crops = [n for n in own if "/crops/" in n]
        before += sum((folder / n).stat().st_size for n in crops)
        if config.crops == "blocks" and crops:
            data = _coded(folder, crops, config)
            _put(archive, f"{camera}/{_CROPS}", data)
            header["coded"][camera] = crops
            after += len(data)
        for name in own:
            if name in vectors or (name in crops and config.crops != "keep"):
                continue
            slim = camera and PurePosixPath(name).name == PIECES
            data = _slim_pieces(folder / name) if slim else (folder / name).read_bytes()
            _put(archive, name, data)
            after += len(data) if name in crops else 0
    features = sum((folder / n).stat().st_size for n in vectors)
    coded = _put_features(archive, {name: np.load(folder / name, allow_pickle=False) for name in vectors},
                          config.features)
    _put(archive, HEADER, files.json_text(header).encode())
    return (before, after), (features, coded)


def _by_camera(names: list[str]) -> dict[str, list[str]]:
    """`cameras/<camera>` → its files; "" → the run's own."""
    found: dict[str, list[str]] = {}
    for name in names:
        parts = name.split("/")
        camera = "/".join(parts[:2]) if parts[0] == "cameras" and len(parts) > 2 else ""
        found.setdefault(camera, []).append(name)
    return found


def _put(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(name, _TIME)
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, data)


def _put_features(archive: zipfile.ZipFile, arrays: dict[str, np.ndarray], config: DescriptorConfig) -> int:
    """All vectors of the run with one fit between them, and the rows of each file; the bytes of what was put. A camera
    without vehicles has vectors of another dimension, none of them."""
    filled = [array for array in arrays.values() if len(array)]
    rows = np.concatenate(filled) if filled else np.zeros((0, 1), np.float32)
    compact = compress(rows, config)
    for key, array in {"codes": compact.codes, **{f"fitted_{k}": v for k, v in compact.fitted.items()}}.items():
        content = io.BytesIO()
        np.save(content, array, allow_pickle=False)
        _put(archive, f"{_CODES}{key}.npy", content.getvalue())
    shapes = {name: list(array.shape) for name, array in arrays.items()}
    described = {"kind": compact.kind, "dimension": compact.dimension, "shapes": shapes}
    _put(archive, f"{_CODES}kind.json", json.dumps(described, sort_keys=True).encode())
    return compact.nbytes


def _coded(folder: Path, names: list[str], config: ArchiveConfig) -> bytes:
    from mtmc.archive.block_codec import EncodingConfig, encode_pictures
    from mtmc.archive.codec_file import load_codec
    from mtmc.archive.pictures import read_picture

    codec = load_codec(codec_path(config.codec))
    pictures = [read_picture(folder / name) for name in names]
    return encode_pictures(codec, pictures, EncodingConfig(config.target_psnr, config.search_steps))


def codec_path(given: Path | None) -> Path:
    """The codec that is meant: the one given, else the one that ships. Raises `ConfigError` where there is neither."""
    from mtmc.archive.codec_file import SHIPPED_CODEC

    if given is None and not SHIPPED_CODEC.is_file():
        raise ConfigError("--codec", "the file of a block codec", "none",
                          "Train one on your crops: archive_run.py train-codec RUN --out FILE.")
    return given or SHIPPED_CODEC


def _slim_pieces(path: Path) -> bytes:
    """The table of pieces without crops and vectors, which are kept elsewhere or can be made again."""
    import polars as pl

    table = pl.read_parquet(path)
    empty = [pl.lit([], dtype=table.schema[name]).alias(name) for name in ("image_embeddings", "crops_jpeg")]
    content = io.BytesIO()
    table.with_columns(empty).write_parquet(content)
    return content.getvalue()


def _read_all(archive: zipfile.ZipFile, header: dict[str, Any], out: Path, codec: Path | None) -> None:
    for name in archive.namelist():
        if name == HEADER or name.endswith(f"/{_CROPS}") or name.startswith(_CODES):
            continue
        _write(out, name, archive.read(name))
    _restore_features(archive, out)
    for camera, crops in header["coded"].items():
        _restore_crops(archive.read(f"{camera}/{_CROPS}"), crops, out, codec)


def _restore_features(archive: zipfile.ZipFile, out: Path) -> None:
    described = json.loads(archive.read(f"{_CODES}kind.json"))
    names = [name for name in archive.namelist() if name.startswith(_CODES) and name.endswith(".npy")]
    arrays = {name.removeprefix(_CODES).removesuffix(".npy"): np.load(io.BytesIO(archive.read(name)))
              for name in names}  # NumPy unpickles nothing unless asked to
    fitted = {key.removeprefix("fitted_"): value for key, value in arrays.items() if key != "codes"}
    rows = restore(Compact(described["kind"], int(described["dimension"]), arrays["codes"], fitted))
    start = 0
    for name, (count, dimension) in described["shapes"].items():
        own = rows[start : start + count] if count else np.zeros((0, dimension), np.float32)
        if len(own) != count:
            raise ValueError(f"{len(rows)} vectors in all, too few for {name}")
        start += count
        target = _place(out, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        files.write_array(target, own)


def _restore_crops(data: bytes, names: list[str], out: Path, codec: Path | None) -> None:
    from mtmc.archive.block_codec import decode_pictures
    from mtmc.archive.codec_file import load_codec
    from mtmc.embedding import encode_jpeg

    pictures = decode_pictures(load_codec(codec_path(codec)), data)
    for name, picture in zip(names, pictures, strict=True):
        _write(out, name, encode_jpeg(picture, _JPEG_QUALITY))


def _place(out: Path, name: str) -> Path:
    """Where an entry goes; never outside `out`, whatever an archive from elsewhere names it."""
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name:
        raise IntegrityError("archive of a run", "names inside the run's folder", name)
    return out / name


def _write(out: Path, name: str, data: bytes) -> None:
    target = _place(out, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)


def _renew(path: Path) -> None:
    """Checksums of the restored files. Files that were left out are named no more, and the stages' keys fit no command,
    so that nothing goes on from what is not there."""
    content = json.loads(path.read_text(encoding="utf-8"))
    for name, stage in content["stages"].items():
        stage["files"] = [record for record in stage["files"] if (path.parent / record["name"]).is_file()]
        for record in stage["files"]:
            file = path.parent / record["name"]
            record.update(bytes=file.stat().st_size, sha256=files.sha256_of(file))
        if name != "detections":  # these are whole
            stage["key"] = "archived"
    files.write_json(path, content)
