"""A plain copy of an encrypted run: `python tools/decrypt_run.py RUN OUT --key-file FILE`."""

import sys

import _checkout  # noqa: F401

from mtmc.privacy.decrypting import main

if __name__ == "__main__":
    sys.exit(main())
