"""Fixtures for all tests: where the shared material lies, quiet threads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "2")
os.environ.setdefault("YOLO_OFFLINE", "1")
# What back ends were found good for is kept between runs: not in the user's own cache, and made once a checkout.
os.environ.setdefault("MTMC_CACHE", str(ROOT / ".pytest_cache" / "mtmc"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real material (`MTMC_DATA`, default ../shared/data); skips loudly where absent."""
    folder = Path(os.environ.get("MTMC_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real material not found: {folder} (set MTMC_DATA)")
    return folder

# The same examples on every machine and every day: a red build is then a change of ours.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")
