"""The end of a process that is stuck, for work that nobody else could end."""

import faulthandler
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

STDERR: Final = 2


@contextmanager
def process_ended_after(limit_s: float) -> Iterator[None]:
    """Ends the process, with what each of its threads was doing on stderr, unless the block is left within `limit_s`.

    Watched from outside of Python, so that compiled code that never gives the interpreter back is ended as well.
    """
    faulthandler.dump_traceback_later(limit_s, exit=True, file=STDERR)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
