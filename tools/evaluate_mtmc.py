"""Score identities over cameras: `python tools/evaluate_mtmc.py --truth FILE --prediction FILE|RUN [--json FILE]`."""

import sys

import _checkout  # noqa: F401

from mtmc.evaluation.cli import main

if __name__ == "__main__":
    sys.exit(main())
