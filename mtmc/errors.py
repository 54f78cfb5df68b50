"""Errors that a user can act on.

Each names the thing, what was expected, what was found and the remedy, and is also the matching
builtin, so that library users may catch either (PyAV does the same). `cli.main` turns an
`MtmcError` into one line on stderr and its `exit_code`; anything else is a bug and keeps its trace.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

EXIT_COMPLETE = 0
EXIT_BUG = 1
EXIT_USAGE = 2
EXIT_PARTIAL = 3
EXIT_CANNOT_WRITE = 4
EXIT_INTEGRITY = 5
EXIT_SIGINT = 130
EXIT_SIGTERM = 143

# One slash too: `Path` makes `rtsp:/user:secret@host` of an address. A password may hold @ and, where it is not
# encoded as it should be, a slash; without a colon the name ends at the first one.
_URL_CREDENTIALS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]+:/{1,2})(?:[^/@:\s'\"]*:[^\s'\"]*|[^/\s'\"]*)@")
_QUERY_SECRETS = re.compile(r"(?P<name>[?&;](?:api_?key|auth|key|passw(?:or)?d|pwd|secret|\w*token)=)[^&;\s'\"]+", re.I)


def mask_credentials(text: str) -> str:
    """`rtsp://user:secret@host/…?token=secret` → `rtsp://***@host/…?token=***`, wherever it stands in `text`."""
    return _QUERY_SECRETS.sub(r"\g<name>***", _URL_CREDENTIALS.sub(r"\g<scheme>***@", text))


def _shortened(text: str, limit: int = 1200) -> str:
    """A hostile file may hold a name of a megabyte; the longest path of an operating system fits a message."""
    return text if len(text) <= limit else f"{text[: limit - 300]} … {text[-200:]}"


class MtmcError(Exception):
    """Base of all expected errors.

    `thing`: what is wrong (a file, a key, a camera). `expected`, `found` and `remedy` complete the
    sentence; each may be empty. Credentials in URLs are masked before the message is stored.
    """

    exit_code = EXIT_USAGE

    def __init__(self, thing: object, expected: str = "", found: str = "", remedy: str = "") -> None:
        self.thing, self.expected, self.found, self.remedy = str(thing), expected, found, remedy
        super().__init__(self._sentence())

    def _sentence(self) -> str:
        expected, found, thing = map(_shortened, (self.expected, self.found, self.thing))
        parts = [f"expected {expected}" if expected else "", f"found {found}" if found else ""]
        middle = ", ".join(part for part in parts if part)
        sentence = f"{thing}: {middle}" if middle else thing
        if self.remedy:
            sentence = f"{sentence.rstrip('.')}. {self.remedy}"
        # One line: names that carry newlines or control characters must not break a log or a terminal.
        printable = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in sentence)
        return mask_credentials(printable)

    def __str__(self) -> str:
        return self._sentence()


class ConfigError(MtmcError, ValueError):
    """A setting that cannot be used: unknown key, wrong type, value out of range."""


class InputError(MtmcError, ValueError):
    """Data that cannot be used: a malformed table, boxes or features of the wrong shape."""


class VideoError(MtmcError, OSError):
    """A video that cannot be opened or gives no frame."""

    exit_code = EXIT_PARTIAL


class WeightsError(MtmcError, OSError):
    """A model file that is missing, unreadable or does not fit."""


class OutputError(MtmcError, OSError):
    """The run folder cannot be written."""

    exit_code = EXIT_CANNOT_WRITE


class IntegrityError(MtmcError, ValueError):
    """Stored results contradict each other or their checksums."""

    exit_code = EXIT_INTEGRITY


def ended_in_words(work: Callable[[], int | None], name: str = "error") -> int:
    """The exit code of a command: `work`'s own (None counts as complete), or that of an expected error, of what the
    machine refused (`OSError`: a name too long, too many files) or of Ctrl-C, behind one line on stderr that begins
    with `name`. Anything else is a bug and keeps its trace."""
    try:
        return work() or EXIT_COMPLETE
    except MtmcError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return error.exit_code or EXIT_BUG
    except OSError as error:
        print(f"{name}: {MtmcError(f'the machine refused: {error}')}", file=sys.stderr)
        return EXIT_CANNOT_WRITE
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return EXIT_SIGINT
