"""Score an embedder: `python tools/evaluate_reid.py --dataset NAME --data DIR --split SPLIT [--weights FILE]`."""

import sys

import _checkout  # noqa: F401

from reid_models.evaluation.command import main

if __name__ == "__main__":
    sys.exit(main())
