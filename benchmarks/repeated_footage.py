"""Footage of any length out of a short one: the same packets over and over, without encoding again."""

from __future__ import annotations

from pathlib import Path

import av


def repeat_video(source: Path, target: Path, times: int) -> None:
    """Write `target`, the video stream of `source` so often in a row; times go on rising, at the pace of its start."""
    with av.open(str(source)) as opened, av.open(str(target), "w") as out:
        packets = [packet for packet in opened.demux(video=0) if packet.size]
        stream = out.add_stream_from_template(opened.streams.video[0])
        step = packets[1].dts - packets[0].dts  # type: ignore[operator]
        ticks = max(packet.pts for packet in packets) - min(packet.pts for packet in packets) + step  # type: ignore
        for _ in range(times):
            for packet in packets:
                packet.stream = stream
                out.mux(packet)
                packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks  # type: ignore[operator]
