"""The bookkeeping of one read: places pictures on the common clock, finds gaps, and says how the read ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mtmc.cameras import Camera
from mtmc.decode_report import STATUS_COMPLETE, STATUS_TRUNCATED, STATUS_WITH_GAPS, DecodeReport
from mtmc.errors import ConfigError
from mtmc.video_times import REPAIRED, RESET, FileClock

# A file that starts without a key frame loses at most a group of pictures; more is a damaged time.
MAX_HEAD_S = 60.0
# A header that claims this much more than the pictures cover is worth a note.
HEADER_SLACK_S = 1.0


@dataclass(frozen=True)
class GapConfig:
    """When a pause between two pictures is reported."""

    # Both must be exceeded. In half a second a vehicle moves by its own length; a time lapse is no row of gaps.
    min_s: float = 0.5
    min_steps: float = 5.0
    # Beside known damage a single lost picture counts.
    min_steps_beside_damage: float = 1.5

    def __post_init__(self) -> None:
        if min(self.min_s, self.min_steps, self.min_steps_beside_damage) <= 0:
            raise ConfigError("video.gaps", "numbers above 0", f"{self}")


class VideoAccount:
    """Fills `report` for one camera, picture by picture in order of presentation."""

    def __init__(self, camera: Camera, config: GapConfig, report: DecodeReport, rate_hz: float) -> None:
        self._camera, self._config, self.report = camera, config, report
        self._clock = FileClock(rate_hz)
        self._flagged = False  # the picture before
        self._origin_s = 0.0  # of the file's clock, where the common clock shows camera.start_s

    def place(self, raw_s: float | None, following_s: Sequence[float | None], *, head_s: float, damaged: bool,
              flagged: bool, size_wh: tuple[int, int]) -> float:
        """The common time of the next picture. raw_s, following_s: its time and those of the ones after it in the file.
        head_s: seconds lost before the first picture. damaged: something was lost since the picture before.
        flagged: the decoder marked this one."""
        report, first = self.report, self.report.frames_decoded == 0
        placed = self._clock.place(raw_s, following_s)
        if first:
            head_s = head_s if 0 < head_s <= MAX_HEAD_S else 0.0
            self._origin_s = placed.seconds - head_s
            report.first_pts_s = placed.seconds
        time_s = self._common(placed.seconds)
        report.frames_decoded += 1
        report.frames_without_pts += raw_s is None
        report.times_repaired += placed.how == REPAIRED
        report.clock_resets += placed.how == RESET
        report.corrupt_flagged += flagged
        report.add_size(size_wh)
        if first:
            report.first_time_s = time_s
            if head_s:
                report.add_gap(time_s - head_s * self._camera.clock_rate, time_s, "no key frame at the start")
        else:
            self._add_step(report.last_time_s, time_s, placed.step_s, placed.typical_s,
                           damaged or flagged or self._flagged)
        if placed.how == RESET:
            report.add_note(f"the file's clock was set or started again before picture {report.frames_decoded}, at "
                            f"{time_s:.3f} s; time was continued")
        report.last_pts_s, report.last_time_s, self._flagged = placed.seconds, time_s, flagged
        return time_s

    def finish(self, *, cut: str, lost_at_end_s: float, header_counts: bool) -> None:
        """Close the books. cut: why the file is not whole, or "". lost_at_end_s: seconds that packets without pictures
        cover after the last picture. header_counts: whether the header's duration tells how much is lost at the end of
        a cut or damaged file (it never tells that something is lost: durations lie)."""
        report, rate = self.report, self._camera.clock_rate
        typical_s = self._clock.typical_s
        report.covered_s += typical_s * rate
        end_s = report.last_time_s + typical_s * rate
        beyond_s = self._origin_s + report.header_duration_s - (report.last_pts_s + typical_s)
        by_header = header_counts and bool(cut or report.damaged) and beyond_s > typical_s / 2
        missing_s = max(lost_at_end_s, beyond_s if by_header else 0.0)
        if missing_s > 0:
            report.add_gap(end_s, end_s + missing_s * rate, "cut off" if cut else "damaged")
        elif header_counts and beyond_s > HEADER_SLACK_S:
            report.add_note(f"the header says {report.header_duration_s:.2f} s, which the pictures do not cover")
        report.expected_s = end_s + missing_s * rate - self._camera.start_s
        if cut:
            report.status, report.cause = STATUS_TRUNCATED, cut
        else:
            report.status = STATUS_WITH_GAPS if report.damaged else STATUS_COMPLETE

    def _common(self, file_s: float) -> float:
        return self._camera.start_s + (file_s - self._origin_s) * self._camera.clock_rate

    def _add_step(self, from_s: float, to_s: float, step_s: float, typical_s: float, damaged: bool) -> None:
        config = self._config
        if damaged and step_s > config.min_steps_beside_damage * typical_s:
            self.report.add_gap(from_s, to_s, "damaged")
        elif step_s > max(config.min_s, config.min_steps * typical_s):
            self.report.add_gap(from_s, to_s, "no pictures")
        else:
            self.report.covered_s += to_s - from_s
