"""Tables of labelled pictures: `python tools/attributes.py table --dataset two-view --data DIR --out types.csv`."""

import sys

import _checkout  # noqa: F401

from reid_models.attributes.command import main

if __name__ == "__main__":
    sys.exit(main())
