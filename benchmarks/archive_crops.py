"""Rate and distortion of crops: the block codec against JPEG and WebP.

    python benchmarks/archive_crops.py --folder RUN --codec FILE [--search 100]

Bits are those of whole files (JPEG, WebP: one file a crop) or of the one stream (block codec), over the pixels of all
crops; PSNR is pooled over all RGB values. `JPEG less its tables` leaves out what every JPEG file repeats: the bytes of
the same crop's file at quality 1 with all pixels grey.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mtmc.archive.block_codec import EncodingConfig, decode_pictures, encode_pictures
from mtmc.archive.code_stream import read_stream
from mtmc.archive.codec_file import SHIPPED_CODEC, load_codec
from mtmc.archive.fidelity import pooled_error, psnr
from mtmc.archive.pictures import pictures_below, read_picture, shrunk
from mtmc.archive.run_archive import codec_path

QUALITIES = {".jpg": (2, 5, 10, 20, 40, 80), ".webp": (1, 5, 10, 20, 40, 80)}
TARGETS = (1.0, 20.0, 24.0, 27.0, 60.0)


def main() -> None:
    parser = argparse.ArgumentParser(description="Rate and distortion of crops.")
    parser.add_argument("--folder", type=Path, required=True, help="a run, or any folder of pictures")
    parser.add_argument("--names", type=Path, help="text file of the pictures' names to use")
    parser.add_argument("--codec", type=Path)
    parser.add_argument("--most", type=int, default=300, help="pictures, spread over the folder (default: 300)")
    parser.add_argument("--search", type=int, default=0, help="steps of the code search as well (default: 0)")
    parser.add_argument("--longest-px", type=int, default=192)
    arguments = parser.parse_args()
    pictures = _pictures(arguments)
    pixels = sum(p.shape[0] * p.shape[1] for p in pictures)
    print(f"{len(pictures)} pictures, {pixels} pixels\n| codec | setting | bits a pixel | PSNR, dB | ms a crop |")
    print("|---|---|---|---|---|")
    for ending, qualities in QUALITIES.items():
        for quality in qualities:
            _library(pictures, pixels, ending, quality)
    if arguments.codec is None and not SHIPPED_CODEC.is_file():
        print("no block codec: give one with --codec")
        return
    codec = load_codec(codec_path(arguments.codec))
    for steps in (0, arguments.search) if arguments.search else (0,):
        for target in TARGETS:
            start = time.perf_counter()
            data = encode_pictures(codec, pictures, EncodingConfig(target, steps))
            took = time.perf_counter() - start
            error = pooled_error(zip(pictures, decode_pictures(codec, data), strict=True))
            used = np.bincount(read_stream(data, codec.changes, codec.digest).chosen, minlength=len(codec.networks))
            setting = f"{target:g} dB, blocks by network {'/'.join(map(str, used))}"
            _row("blocks" + (f", {steps} search steps" if steps else ""), setting, len(data), pixels, error,
                 1000 * took / len(pictures))


def _pictures(arguments: argparse.Namespace) -> list[np.ndarray]:
    paths = pictures_below(arguments.folder)
    if arguments.names:
        wanted = set(arguments.names.read_text().split())
        paths = [path for path in paths if path.name in wanted]
    chosen = np.unique(np.linspace(0, len(paths) - 1, min(arguments.most, len(paths))).round().astype(int))
    return [shrunk(read_picture(paths[i]), arguments.longest_px) for i in chosen]


def _library(pictures: list[np.ndarray], pixels: int, ending: str, quality: int) -> None:
    flag = cv2.IMWRITE_JPEG_QUALITY if ending == ".jpg" else cv2.IMWRITE_WEBP_QUALITY
    size, tables, pairs, start = 0, 0, [], time.perf_counter()
    for picture in pictures:
        data = cv2.imencode(ending, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [flag, max(quality, 1)])[1]
        size += len(data)
        if ending == ".jpg":
            flat = cv2.imencode(ending, np.full((1, 1, 3), 128, np.uint8), [flag, 1])[1]
            tables += len(flat)
        pairs.append((picture, cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)))
    took, error = 1000 * (time.perf_counter() - start) / len(pictures), pooled_error(pairs)
    _row("JPEG" if ending == ".jpg" else "WebP", f"quality {quality}", size, pixels, error, took)
    if tables:
        _row("JPEG less its tables", f"quality {quality}", size - tables, pixels, error, took)


def _row(codec: str, setting: str, size: int, pixels: int, error: float, ms: float) -> None:
    print(f"| {codec} | {setting} | {8 * size / pixels:.3f} | {psnr(error):.2f} | {ms:.1f} |", flush=True)


if __name__ == "__main__":
    main()
