"""What became of every packet and frame of one video: counters that must add up, gaps, a final status.

The laws (checked by `laws_broken` and by whoever reads a stored run):
    packets_demuxed  = packets_ok + the sum of packets_bad
    expected_s       = covered_s + gap_s
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

STATUS_INTERRUPTED = "interrupted"  # reading has not reached the end (yet)
STATUS_COMPLETE = "complete"
STATUS_WITH_GAPS = "complete_with_gaps"  # read to the end, but something inside is damaged or missing
STATUS_TRUNCATED = "truncated"  # the file ends before its recording does
STATUS_FAILED = "failed"  # could not be opened, or holds no picture
FINISHED = (STATUS_COMPLETE, STATUS_WITH_GAPS, STATUS_TRUNCATED)

# A damaged day of video may have a gap a second; memory must not grow with it. All are counted, these are listed.
MAX_GAPS_LISTED = 1000
MAX_NOTES = 50


@dataclass(frozen=True)
class Gap:
    """Seconds of the common clock, from the last frame before to the first frame after, and why."""

    from_s: float
    to_s: float
    reason: str


@dataclass
class DecodeReport:
    """Filled by `read_frames` while it reads; `status` is final once the iterator is exhausted.

    packets_*: packets of the video stream. packets_bad: reason → number. packets_without_picture: those, bad or
    not, whose picture never came out (before the first key frame, for example). read_errors: times the container
    could not be read on (no packet came of it). frames_decoded: pictures that came out, in order of
    presentation; the 0-based `Frame.index` counts these. frames_without_pts: among them, those that carried no
    time. times_repaired: frames whose time was interpolated (none, doubled or jumping in the file).
    corrupt_flagged: frames that the decoder marked as damaged (many damaged ones are not marked).
    clock_resets: times the file's clock jumped back (or by more than a day) and was continued instead.
    first_pts_s, last_pts_s: on the file's own clock. first_time_s, last_time_s: on the common clock.
    header_duration_s: what the header says, NaN where it says nothing; never trusted. covered_s, gap_s: seconds
    of the common clock with and without pictures; expected_s: what the recording spans, as far as the file shows.
    sizes_wh: the picture sizes met, in order of appearance.
    """

    camera_id: str = ""
    status: str = STATUS_INTERRUPTED
    cause: str = ""
    packets_demuxed: int = 0
    packets_ok: int = 0
    packets_bad: dict[str, int] = field(default_factory=dict)
    packets_without_picture: int = 0
    read_errors: int = 0
    frames_decoded: int = 0
    frames_without_pts: int = 0
    times_repaired: int = 0
    corrupt_flagged: int = 0
    clock_resets: int = 0
    first_pts_s: float = math.nan
    last_pts_s: float = math.nan
    first_time_s: float = math.nan
    last_time_s: float = math.nan
    header_duration_s: float = math.nan
    covered_s: float = 0.0
    gap_s: float = 0.0
    expected_s: float = 0.0
    gap_count: int = 0
    gaps: list[Gap] = field(default_factory=list)
    sizes_wh: list[tuple[int, int]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add_bad_packet(self, reason: str) -> None:
        """Count one packet that gave no picture because of `reason`."""
        self.packets_bad[reason] = self.packets_bad.get(reason, 0) + 1

    def add_gap(self, from_s: float, to_s: float, reason: str) -> None:
        """Record seconds without pictures."""
        self.gap_s += to_s - from_s
        self.gap_count += 1
        if len(self.gaps) < MAX_GAPS_LISTED:
            self.gaps.append(Gap(from_s, to_s, reason))

    def add_size(self, size_wh: tuple[int, int]) -> None:
        """Remember a picture size; a second one is noted."""
        if size_wh in self.sizes_wh or len(self.sizes_wh) >= MAX_NOTES:
            return
        self.sizes_wh.append(size_wh)
        if len(self.sizes_wh) > 1:
            first = self.sizes_wh[0]
            self.add_note(f"pictures of {size_wh[0]}x{size_wh[1]} were scaled to the first size, {first[0]}x{first[1]}")

    def add_note(self, sentence: str) -> None:
        """Keep a sentence for the reader, once."""
        if sentence not in self.notes and len(self.notes) < MAX_NOTES:
            self.notes.append(sentence)

    @property
    def damaged(self) -> bool:
        """Whether anything inside the file was lost or could not be trusted."""
        return bool(self.packets_bad or self.read_errors or self.gap_count or self.corrupt_flagged or self.clock_resets)

    def laws_broken(self) -> list[str]:
        """The conservation laws that do not hold, in words; empty when all do."""
        broken = []
        bad = sum(self.packets_bad.values())
        if self.packets_demuxed != self.packets_ok + bad:
            broken.append(f"packets_demuxed {self.packets_demuxed} is not packets_ok {self.packets_ok} + bad {bad}")
        unexplained_s = abs(self.expected_s - self.covered_s - self.gap_s)
        if self.status in FINISHED and unexplained_s > 1e-6 * (1 + self.expected_s):
            broken.append(f"expected_s {self.expected_s} is not covered_s {self.covered_s} + gap_s {self.gap_s}")
        if self.gap_count < len(self.gaps) or any(gap.to_s < gap.from_s for gap in self.gaps):
            broken.append("gaps are listed that were not counted, or run backwards")
        return broken
