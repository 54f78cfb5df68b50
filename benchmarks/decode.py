"""What decoding costs: `python benchmarks/decode.py [FILE …]` (default: `$MTMC_DATA/worlds/two-view-dev/cams/*.mp4`).

Five ways through the same frames on one thread take turns; medians of CPU time are compared, for a shared machine
stretches the clock on the wall. "decode": PyAV packets to pictures, nothing else, the floor. "frames": `read_frames`
without looking at a picture (times, damage and gaps accounted for). "frames, images": every picture as RGB.
"OpenCV": `VideoCapture` to BGR. And the conversion alone: swscale on one thread, as used, against
`cv2.cvtColor(I420 → RGB)`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import av
import cv2

from mtmc.cameras import plain_camera
from mtmc.video import DecodeReport, VideoConfig, read_frames


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=1000, help="frames of each file")
    arguments = parser.parse_args()
    data = Path(os.environ.get("MTMC_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    files = arguments.files or sorted((data / "worlds" / "two-view-dev" / "cams").glob("*.mp4"))
    cv2.setNumThreads(1)
    ways: dict[str, Callable[[Path, int], int]] = {
        "decode": bare_decode, "frames": frames_only, "frames, images": frames_with_images, "OpenCV": opencv,
    }  # fmt: skip
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    counts: dict[str, int] = {}
    for _ in range(arguments.rounds):
        for name, way in ways.items():
            start = time.process_time()
            counts[name] = sum(way(path, arguments.frames) for path in files)
            seconds[name].append(time.process_time() - start)
    assert len(set(counts.values())) == 1, counts
    print(f"{len(files)} files, {counts['decode']} frames, one thread, median of {arguments.rounds} rounds of CPU time")
    reference = statistics.median(seconds["OpenCV"])
    for name, values in seconds.items():
        middle = statistics.median(values)
        print(f"{name:16} {counts[name] / middle:8.0f} frames/s   {reference / middle:5.2f} x OpenCV")
    print_conversion(files[0])


def bare_decode(path: Path, frames: int) -> int:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type, stream.codec_context.thread_count = "SLICE", 1
        return sum(1 for _ in islice(container.decode(stream), frames))


def frames_only(path: Path, frames: int) -> int:
    return sum(1 for _ in islice(read_frames(plain_camera("c", path), VideoConfig(), DecodeReport()), frames))


def frames_with_images(path: Path, frames: int) -> int:
    opened = read_frames(plain_camera("c", path), VideoConfig(), DecodeReport())
    return sum(1 for frame in islice(opened, frames) if frame.image.size)


def opencv(path: Path, frames: int) -> int:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    return sum(1 for _ in range(frames) if capture.read()[0])


def print_conversion(path: Path, repeats: int = 200) -> None:
    with av.open(str(path)) as container:
        picture = next(container.decode(video=0))
    if picture.format.name != "yuv420p" or picture.width % 2 or picture.height % 2:
        return
    ways = {
        "swscale": lambda: picture.reformat(format="rgb24", threads=1).to_ndarray(),
        "cvtColor": lambda: cv2.cvtColor(picture.to_ndarray(), cv2.COLOR_YUV2RGB_I420),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(5):
        for name, way in ways.items():
            start = time.process_time()
            for _ in range(repeats):
                way()
            times[name].append((time.process_time() - start) / repeats * 1e3)
    medians = {name: statistics.median(values) for name, values in times.items()}
    shown = ", ".join(f"{name} {value:.3f} ms" for name, value in medians.items())
    print(f"conversion of {picture.width}x{picture.height} to RGB: {shown}")


if __name__ == "__main__":
    main()
