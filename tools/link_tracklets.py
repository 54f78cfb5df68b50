"""Link anybody's tracklets: `python tools/link_tracklets.py --tracklets FILE --features FILE --out DIR`."""

import sys

import _checkout  # noqa: F401

from mtmc.linking_cli import main

if __name__ == "__main__":
    sys.exit(main())
