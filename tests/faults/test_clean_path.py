"""The benchmark of the clean path leaves out what it says, and nothing that the results need."""

from __future__ import annotations

import importlib.util
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import psutil
import pytest

from tests.faults.conftest import World
from tests.faults.footage import SETTINGS
from tests.running import ROOT

SCRIPT = ROOT / "benchmarks" / "clean_path.py"


@pytest.fixture(scope="module")
def clean_path() -> ModuleType:
    spec = importlib.util.spec_from_file_location("clean_path", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_bound_is_an_order_statistic(clean_path: ModuleType) -> None:
    nine = [1.08, 1.01, 1.02, 1.03, 1.04, 1.05, 1.06, 1.07, 1.0]
    assert clean_path.upper_bound(nine) == 1.06  # the seventh: P(seven or more of nine below the median) is 9 %
    assert clean_path.upper_bound([1.0, 2.0]) == math.inf  # both may lie below the median, with 25 %
    assert clean_path.upper_bound([1.0, 2.0, 3.0, 4.0]) == 4.0


def test_everything_that_is_left_out_still_has_its_name(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--once", "--", "--videos", "x", "--show-config"]
    environment = {**os.environ, "MTMC_CLEAN_PATH": "without"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_both_runs_do_the_same_work(clean_path: ModuleType, long: World) -> None:
    options = ["--videos", str(long.cams), "--detections", str(long.det), *SETTINGS, "--workers", "2"]
    costly, bare = clean_path.measured_pair(options, 1, turn_s=0.2)  # compares tables, and looks for manifests
    assert min(*costly, *bare) > 0.5


def test_a_run_whose_turn_it_is_not_stands_still(clean_path: ModuleType) -> None:
    with clean_path._Run("with", ["--videos", "x", "--show-config"]) as run:
        run.take_turn(0.1)
        process = psutil.Process(run.process_id)
        deadline = time.monotonic() + 10
        while process.status() != psutil.STATUS_STOPPED:
            assert time.monotonic() < deadline, process.status()
            time.sleep(0.01)
        before = process.cpu_times()
        time.sleep(0.3)
        assert process.cpu_times() == before
        while run.seconds is None:
            run.take_turn(5.0)
    assert 0 < run.seconds[0] < 60


def test_a_run_that_fails_is_told_in_its_own_words(clean_path: ModuleType) -> None:
    with pytest.raises(SystemExit, match="the run without ended with 2"):
        clean_path.measured_in_turns({"without": ["--no-such-option"]}, turn_s=60)
