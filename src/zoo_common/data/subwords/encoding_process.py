"""A process of its own in which a stranger's tokenizer runs, whose patterns may take for ever (``watched.py``).

It is run as a script, so that it starts in a tenth of a second: nothing of Zoo is imported. A request is a line of
JSON, its answer another. For each request the process has a number of seconds of computing; where it takes longer,
the system ends it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import signal
import sys

from tokenizers import Tokenizer
from tokenizers.models import WordLevel


def main() -> None:
    """Answer requests until there are no more: with rows of ids and offsets, or with what went wrong."""
    if hasattr(signal, "SIGPROF"):
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
    answer: list[object] | str
    tokenizer = Tokenizer(WordLevel())
    for line in sys.stdin:
        request = json.loads(line)
        _give(request["seconds"])
        try:
            if "tokenizer" in request:
                _bound_memory(len(request["tokenizer"]))
                tokenizer = Tokenizer.from_str(request["tokenizer"])
                tokenizer.no_padding()
                tokenizer.no_truncation()
                tokenizer.encode_special_tokens = True
                answer = []
            else:
                rows = tokenizer.encode_batch(request["texts"], add_special_tokens=False)
                answer = [[row.ids, row.offsets if request["offsets"] else []] for row in rows]
        except BaseException as error:  # A panic in Rust is no Exception.
            answer = str(error) or type(error).__name__
        _give(0)
        print(json.dumps(answer), flush=True)


def _give(seconds: float) -> None:
    """Let the process compute for so long; for ever if 0."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)
    elif seconds:  # On Windows a clock has to do.
        faulthandler.dump_traceback_later(seconds, exit=True, file=open(os.devnull, "w"))  # noqa: SIM115
    else:
        faulthandler.cancel_dump_traceback_later()


def _bound_memory(size: int) -> None:
    """A pattern may unfold to any size; a tokenizer takes some twenty times its file's."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, ((1 << 30) + 40 * size,) * 2)


if __name__ == "__main__":
    main()
