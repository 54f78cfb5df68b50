"""Is a finished run whole? `python tools/verify_run.py runs/cams` exits 5 with the first thing that is wrong."""

import sys

import _checkout  # noqa: F401

from mtmc.verification import main

if __name__ == "__main__":
    sys.exit(main())
