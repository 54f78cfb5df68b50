"""Put on PYTHONPATH by `test_resume.py`: a process of a run kills itself, for real, at the n-th step of its commits.

A step is the moment before or after a file below MTMC_TEST_DIE_BELOW is renamed or deleted: where a process that dies
leaves the most doubt. MTMC_TEST_DIE_AT: n. MTMC_TEST_DIE_AS: "worker" or "parent".
"""

import os
import signal
import sys

_AT = int(os.environ.get("MTMC_TEST_DIE_AT", "0"))
_BELOW = os.environ.get("MTMC_TEST_DIE_BELOW", "")
_ROLE = "worker" if "--multiprocessing-fork" in sys.orig_argv else "parent"
_steps = []


def _die_when_due(path):
    if os.path.abspath(path).startswith(_BELOW):
        _steps.append(path)
        if len(_steps) == _AT:
            os.kill(os.getpid(), signal.SIGKILL)


def _counted(real):
    def step(path, *rest, **named):
        _die_when_due(path)
        result = real(path, *rest, **named)
        _die_when_due(path)
        return result

    return step


if _AT and os.environ.get("MTMC_TEST_DIE_AS") == _ROLE:
    os.replace, os.unlink = _counted(os.replace), _counted(os.unlink)
