"""Settings that all detectors share."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from detectors.adaptive_stride import StrideConfig
from detectors.motion import MotionConfig
from detectors.region import RegionConfig
from mtmc.errors import ConfigError


@dataclass(frozen=True)
class DetectorConfig:
    """How boxes are found.

    min_score: boxes below it are dropped, whatever the detector. nms_iou: of two boxes that overlap by more, the
    lower one is dropped, whatever their classes (networks only). input_hw: height and width of a network's input;
    empty = its own. batch_size: images that are asked about at once. threads: of a network on a CPU; 0 = the library's
    own number. calls_at_once: of an ONNX network in one process, which share those threads.
    snug_input: an ONNX YOLOX of a fixed square size is run without the empty rows or columns beside a wide or tall
    picture. class_names: the classes of an ONNX file that does not name them, in their order. recorded_name: which file
    of a camera's `det/` folder to take where there are several, e.g. "det_mask_rcnn.txt".
    """

    # Trackers link weak boxes to tracks that strong ones started (ByteTrack); below a tenth a small network's boxes
    # are mostly road. A table in docs/detectors.md.
    min_score: float = 0.1
    # Two boxes of one vehicle mostly overlap by more, two vehicles in a jam mostly by less: at 0.6 a small network's
    # precision falls by 6 points for one of recall.
    nms_iou: float = 0.45
    input_hw: tuple[int, ...] = ()
    # A network's share of the time does not fall further on a CPU, and four pictures of 4K are 100 MB.
    batch_size: int = 4
    threads: int = 0
    # The last camera of a run has the cores of those before it. Two threads inside a call of yolox_nano take a quarter
    # more processor time than one; two calls side by side do not.
    calls_at_once: int = 2
    # 44 of 100 input pixels beside a 16:9 picture are padding, a third of the time; boxes move by less than a pixel.
    snug_input: bool = True
    device: str = "auto"  # the first CUDA device where library and machine have one, else the CPU; or cpu, cuda, cuda:1
    class_names: tuple[str, ...] = ()
    recorded_name: str = ""
    # "adaptive": a network is not asked about pictures in which nothing changed (docs/performance.md has the cost).
    stride: Literal["every", "adaptive"] = "every"
    still: StrideConfig = field(default_factory=StrideConfig)
    region: RegionConfig = field(default_factory=RegionConfig)
    motion: MotionConfig = field(default_factory=MotionConfig)

    def __post_init__(self) -> None:
        if not 0 <= self.min_score <= 1:
            raise ConfigError("detector.min_score", "0 to 1", str(self.min_score))
        if not 0 < self.nms_iou <= 1:
            raise ConfigError("detector.nms_iou", "above 0, at most 1", str(self.nms_iou))
        if self.input_hw and (len(self.input_hw) != 2 or any(side < 32 or side % 32 for side in self.input_hw)):
            raise ConfigError("detector.input_hw", "height and width, multiples of 32", str(list(self.input_hw)))
        if self.batch_size < 1:
            raise ConfigError("detector.batch_size", "1 or more", str(self.batch_size))
        if self.calls_at_once < 1:
            raise ConfigError("detector.calls_at_once", "1 or more", str(self.calls_at_once))
        if self.threads < 0:
            raise ConfigError("detector.threads", "0 or more", str(self.threads))
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", self.device):
            raise ConfigError("detector.device", "auto, cpu, cuda or cuda:N", self.device)
