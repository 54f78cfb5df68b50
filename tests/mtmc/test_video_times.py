"""Times from files, mended: pure arithmetic, checked over many made-up clocks."""

from __future__ import annotations

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mtmc.cameras import plain_camera
from mtmc.decode_report import STATUS_COMPLETE, STATUS_TRUNCATED, STATUS_WITH_GAPS, DecodeReport
from mtmc.errors import ConfigError
from mtmc.video_accounts import GapConfig, VideoAccount
from mtmc.video_packets import AviGrid, WaitingPackets
from mtmc.video_times import READ, REPAIRED, RESET, FileClock, Placed, _longest_rise, with_following


def place_all(raws: list[float | None], rate_hz: float = 25.0) -> list[Placed]:
    clock = FileClock(rate_hz)
    return [clock.place(raw, following) for raw, following in with_following(raws)]


def seconds(raws: list[float | None], rate_hz: float = 25.0) -> list[float]:
    return [placed.seconds for placed in place_all(raws, rate_hz)]


@pytest.mark.parametrize("length", [0, 1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 4])
def test_with_following(length: int, count: int) -> None:
    items = list(range(length))
    assert list(with_following(items, count)) == [(i, tuple(items[i + 1 : i + 1 + count])) for i in items]


times = st.one_of(st.none(), st.floats(-1e9, 1e9), st.integers(-5, 50).map(lambda k: k / 25))


@settings(max_examples=300, deadline=None)
@given(st.lists(times, max_size=40), st.sampled_from([0.0, 10.0, 25.0, 1e-9, 1e9, math.nan]))
def test_times_rise_strictly_whatever_comes(raws: list[float | None], rate_hz: float) -> None:
    placed = seconds(raws, rate_hz)
    assert len(placed) == len(raws)
    assert all(b > a for a, b in itertools.pairwise(placed))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0.001, 3600.0), max_size=40), st.floats(-1e5, 1e5))
def test_rising_times_are_left_alone(steps: list[float], start: float) -> None:
    raws = list(np.cumsum([start, *steps]))
    if all(b > a for a, b in itertools.pairwise(raws)):
        assert seconds(raws) == raws


@settings(max_examples=200, deadline=None)
@given(st.integers(8, 30), st.integers(1, 2), st.data())
def test_one_or_two_wrong_times_move_no_other(count: int, length: int, data: st.DataObject) -> None:
    right = [k / 25 for k in range(count)]
    at = data.draw(st.integers(1, count - 6))
    bad = range(at, at + length)
    wrong: list[float | None] = list(right)
    for place in bad:
        wrong[place] = data.draw(times)
    # Two wrong times that rise from their neighbour could be a slower stretch: nothing tells them from right ones.
    given_s = [right[at - 1], *(wrong[place] for place in bad)]
    if length == 2 and all(time_s is not None and math.isfinite(time_s) for time_s in given_s):
        assume(not given_s[0] < given_s[1] < given_s[2])  # type: ignore[operator]
    placed = [p.seconds for p in place_all(wrong)]
    # A wrong time that lies just behind its right neighbour cannot be told from it; all is right again at once.
    assert placed == pytest.approx(right, abs=2.01 / 25)
    after = at + length + 2
    assert placed[after:] == right[after:]


def test_two_wrong_times_that_agree_with_each_other_are_outvoted() -> None:
    right = [k / 25 for k in range(12)]
    wrong: list[float | None] = [*right[:4], 500.0, 500.04, *right[6:]]
    assert [p.seconds for p in place_all(wrong)] == pytest.approx(right)
    assert [p.how for p in place_all(wrong)].count(REPAIRED) == 2


@settings(max_examples=300, deadline=None)
@given(st.floats(-10, 10), st.lists(st.floats(-10, 10), max_size=5))
def test_longest_rise_is_the_longest(after: float, values: list[float]) -> None:
    known = list(enumerate(values, start=1))
    chain = _longest_rise(after, known)
    assert all(pair in known for pair in chain)
    assert all(b[0] > a[0] and b[1] > a[1] for a, b in itertools.pairwise([(0, after), *chain]))
    rising = [
        pick
        for size in range(len(known) + 1)
        for pick in itertools.combinations(known, size)
        if all(b[1] > a[1] for a, b in itertools.pairwise([(0, after), *pick]))
    ]
    assert len(chain) == max(len(pick) for pick in rising)


def test_missing_times_are_put_between_their_neighbours() -> None:
    assert seconds([0.0, 0.04, None, 0.12]) == pytest.approx([0, 0.04, 0.08, 0.12])
    assert seconds([0.0, 0.1, None, None, None, 0.5]) == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    # A missing time does not hide the pause after it.
    placed = place_all([0.0, 0.04, 0.08, None, 1.12, 1.16])
    assert placed[4].step_s == pytest.approx(1.0)
    assert [p.how for p in placed] == [READ, READ, READ, REPAIRED, READ, READ]


def test_times_missing_at_the_start_cost_no_step() -> None:
    for count in (1, 3, 4, 5, 20):
        placed = seconds([None] * count + [0.0, 0.04, 0.08])
        assert np.diff(placed) == pytest.approx(0.04)
    assert seconds([None, 5.0, 5.04]) == pytest.approx([4.96, 5.0, 5.04])


def test_without_any_time_the_rate_decides() -> None:
    assert seconds([None] * 5, rate_hz=8.0) == pytest.approx(np.arange(5) / 8)
    assert seconds([None] * 3, rate_hz=0.0) == pytest.approx(np.arange(3) / 25)


def test_a_clock_that_starts_again_goes_on() -> None:
    first = [k / 10 for k in range(30)]
    placed = place_all([*first, *first, *first])
    assert [p.seconds for p in placed] == pytest.approx(np.arange(90) / 10)
    assert [i for i, p in enumerate(placed) if p.how == RESET] == [30, 60]


def test_a_year_is_no_pause_but_an_hour_is() -> None:
    assert seconds([0.0, 0.1, 3600.0, 3600.1]) == [0.0, 0.1, 3600.0, 3600.1]
    placed = place_all([0.0, 0.1, 3.2e7, 3.2e7 + 0.1])
    assert [p.seconds for p in placed] == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert placed[2].how == RESET


def test_a_clock_that_stands_still_catches_up() -> None:
    placed = seconds([0.0, 0.04, 0.04, 0.04, 0.04, 0.20, 0.24])
    assert placed[-2:] == pytest.approx([0.20, 0.24])


# --- packets ---------------------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(st.lists(st.booleans(), max_size=60), st.integers(1, 6))
def test_waiting_packets_finds_what_was_lost(decodable: list[bool], delay: int) -> None:
    waiting, lost, pending = WaitingPackets(), [], []
    for pts, good in enumerate(decodable):
        waiting.add(pts)
        pending += [pts] if good else []
        if len(pending) > delay:  # the decoder holds back `delay` pictures
            lost += waiting.arrived(pending.pop(0))
    for pts in pending:
        lost += waiting.arrived(pts)
    missing = [pts for pts, good in enumerate(decodable) if not good]
    last = max((pts for pts, good in enumerate(decodable) if good), default=-1)
    assert lost == [pts for pts in missing if pts < last]
    assert len(waiting) == sum(pts > last for pts in missing)
    assert waiting.latest() == max((pts for pts in missing if pts > last), default=None)


def test_waiting_packets_stay_bounded() -> None:
    waiting = WaitingPackets()
    for pts in range(100_000):
        waiting.add(pts)
    assert len(waiting) <= 512


@pytest.mark.parametrize("swallowed", [(), (3,), (3, 4, 5), (1, 7, 8)])
def test_avi_grid_knows_swallowed_chunks(swallowed: tuple[int, ...]) -> None:
    index = [SimpleNamespace(pos=1000 + 50 * k, timestamp=k) for k in range(10)]
    grid, ticks, noticed = AviGrid(index), [], []
    for count, k in enumerate(k for k in range(10) if k not in swallowed):
        noticed += [k] if grid.packet(1000 + 50 * k + 8, count) else []
        ticks.append(grid.picture(count))
    assert ticks == [k for k in range(10) if k not in swallowed]
    assert noticed == [k for k in range(10) if k not in swallowed and k - 1 in swallowed]


def test_avi_grid_without_an_index_counts_and_closes_the_tail() -> None:
    grid = AviGrid([])
    assert [grid.packet(p, d) for p, d in ((8, 0), (None, 1), (80, None))] == [False] * 3
    assert [grid.picture(d) for d in (0, 24, 48, None, None)] == [0, 24, 48, 72, 96]


# --- accounts --------------------------------------------------------------------------------------------------------


def account(
    raws: list[float | None],
    *,
    damaged: tuple[int, ...] = (),
    flagged: tuple[int, ...] = (),
    head_s: float = 0.0,
    header_s: float = math.nan,
    **finish: object,
) -> DecodeReport:
    report = DecodeReport(header_duration_s=header_s)
    books = VideoAccount(plain_camera("c", "v"), GapConfig(), report, 25.0)
    for i, (raw, following) in enumerate(with_following(raws)):
        books.place(
            raw, following, head_s=head_s if i == 0 else 0.0, damaged=i in damaged, flagged=i in flagged, size_wh=(4, 2)
        )
    books.finish(**{"cut": "", "lost_at_end_s": 0.0, "header_counts": False, **finish})  # type: ignore[arg-type]
    assert report.laws_broken() == []
    return report


def test_the_account_of_a_clean_read() -> None:
    report = account([k / 25 for k in range(50)])
    assert report.status == STATUS_COMPLETE
    assert (report.covered_s, report.expected_s) == pytest.approx((2.0, 2.0))


def test_one_lost_picture_is_a_gap_only_beside_damage() -> None:
    raws: list[float | None] = [k / 25 for k in range(20) if k != 10]
    assert account(raws).gap_count == 0
    for evidence in ({"damaged": (10,)}, {"flagged": (10,)}, {"flagged": (9,)}):
        report = account(raws, **evidence)  # type: ignore[arg-type]
        assert [(g.from_s, g.to_s) for g in report.gaps] == [(pytest.approx(0.36), pytest.approx(0.44))]
        assert report.status == STATUS_WITH_GAPS


def test_what_a_cut_lost_is_taken_from_the_header_only_where_it_may() -> None:
    raws: list[float | None] = [k / 25 for k in range(25)]
    assert account(raws, header_s=10.0).status == STATUS_COMPLETE
    report = account(raws, header_s=10.0, cut="cut", header_counts=True)
    assert report.status == STATUS_TRUNCATED
    assert (report.expected_s, report.gap_s) == pytest.approx((10.0, 9.0))
    assert account(raws, header_s=10.0, cut="cut").expected_s == pytest.approx(1.0)
    assert account(raws, lost_at_end_s=0.4).expected_s == pytest.approx(1.4)


def test_a_lost_start_is_a_gap_but_nonsense_is_not() -> None:
    report = account([1.0, 1.04], head_s=0.6)
    assert (report.first_time_s, report.gap_s) == (pytest.approx(0.6), pytest.approx(0.6))
    assert account([1.0, 1.04], head_s=1e6).first_time_s == 0.0


def test_broken_laws_are_named() -> None:
    report = account([0.0, 0.04])
    report.packets_demuxed += 1
    report.covered_s += 1
    assert len(report.laws_broken()) == 2


def test_lists_in_a_report_stay_short() -> None:
    report = DecodeReport()
    for i in range(5000):
        report.add_gap(i, i + 0.5, "damaged")
        report.add_note(f"note {i}")
        report.add_size((i, i))
    assert (report.gap_count, report.gap_s, len(report.gaps)) == (5000, 2500.0, 1000)
    assert len(report.notes) <= 50
    assert len(report.sizes_wh) <= 50


def test_gap_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match="above 0"):
        GapConfig(min_s=0.0)
