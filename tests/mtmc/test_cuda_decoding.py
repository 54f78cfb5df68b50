"""`--decode cuda`: asked of PyAV where it is there; where it is not, one line says so and the frames are software's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from av.codec.hwaccel import HWAccel

from mtmc import plan as planning
from mtmc import video
from mtmc.cameras import plain_camera
from mtmc.plan import RunRequest, make_plan
from mtmc.run_config import RunConfig
from mtmc.video import DecodeReport, Frame, VideoConfig, cuda_refusal, read_frames
from reid_models.registry import EmbedderConfig
from tests import clips

ON_CUDA = VideoConfig(decode="cuda")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    (tmp_path / "cams").mkdir()
    return clips.write_clip(tmp_path / "cams" / "c1.mp4", 12)


def frames_of(clip: Path, config: VideoConfig) -> tuple[list[Frame], DecodeReport]:
    report = DecodeReport()
    frames = list(read_frames(plain_camera("c1", clip), config, report))
    return frames, report


def assert_same(found: list[Frame], expected: list[Frame]) -> None:
    assert [(frame.index, frame.time_s) for frame in found] == [(frame.index, frame.time_s) for frame in expected]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(found, expected, strict=True))


def test_a_machine_without_it_gives_software_frames_and_says_why(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "hwdevices_available", lambda: ["vaapi"])
    cuda_refusal.cache_clear()
    try:
        found, report = frames_of(clip, ON_CUDA)
        assert cuda_refusal() == "this PyAV was built without CUDA"
    finally:
        cuda_refusal.cache_clear()
    assert report.notes == ["decoded in software: this PyAV was built without CUDA"]
    expected, plain = frames_of(clip, VideoConfig())
    assert len(expected) == 12
    assert plain.notes == []
    assert_same(found, expected)


@pytest.mark.skipif(not cuda_refusal(), reason="a CUDA device is here")
def test_a_device_that_does_not_answer_is_named() -> None:
    """PyAV's wheels know CUDA; what is missing is the device."""
    assert "CUDA" in cuda_refusal()


def test_where_it_is_there_pyav_is_asked_for_it(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def accelerator(kind: str, **settings: bool) -> None:
        """No accelerator, as PyAV has none for a codec that NVDEC does not know."""
        asked.append((kind, settings))
        HWAccel(kind, **settings)  # the arguments are those of this PyAV

    monkeypatch.setattr(video, "cuda_refusal", lambda: "")
    monkeypatch.setattr(video, "HWAccel", accelerator)
    found, report = frames_of(clip, ON_CUDA)
    assert asked == [("cuda", {"allow_software_fallback": True})]
    assert report.notes == ["decoded in software: NVDEC does not know its codec"]
    assert_same(found, frames_of(clip, VideoConfig())[0])


@pytest.mark.parametrize("refusal", ["", "there is none"])
def test_a_run_says_in_one_line_that_it_decodes_in_software(
    clip: Path, monkeypatch: pytest.MonkeyPatch, refusal: str
) -> None:
    monkeypatch.setattr(planning, "cuda_refusal", lambda: refusal)

    def plan(config: VideoConfig) -> planning.RunPlan:
        settings = RunConfig(video=config, embedder=EmbedderConfig(name="colour-texture"))
        return make_plan(RunRequest(clip.parent, clip.parent.parent / "run", detector="motion", config=settings))

    asked, plain = plan(ON_CUDA), plan(VideoConfig())
    said = [line for line in asked.announcements if line.startswith("decode")]
    assert said == (["decode: in software, as there is none"] if refusal else [])
    assert (asked.jobs[0].keys == plain.jobs[0].keys) == bool(refusal)
