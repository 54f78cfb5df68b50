"""Train a re-identification model: `python tools/train_reid.py --config configs/X.yaml --data DIR --out DIR`."""

import sys

import _checkout  # noqa: F401

from reid_models.training.cli import main

if __name__ == "__main__":
    sys.exit(main())
