"""The log: stderr only, since stdout is the wire on stdio. No text, audio or secret goes in.

Whoever has something to tell asks `logging` for a logger and gives the particulars as `extra`; structlog writes them.
"""

from __future__ import annotations

import logging
import sys
from functools import cached_property

import stamina


def configure(level: str) -> None:
    """Send our events, and the libraries', to stderr from `level` on."""
    # What was asked again is told where it failed for good; a line for each attempt would bury that.
    stamina.instrumentation.set_on_retry_hooks(() if level != "DEBUG" else None)
    number = logging.getLevelNamesMapping()[level]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Structured())
    logging.basicConfig(level=number, handlers=[handler])
    for library in ("httpx2", "httpx"):  # they tell whole addresses: a text to be spoken, a user's token
        logging.getLogger(library).setLevel(max(number, logging.WARNING))
    if level != "DEBUG":  # it warns of every request that it does not understand: of strangers' mistakes, not of ours
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)


class _Structured(logging.Formatter):
    """Lines with time, level, event and particulars."""

    @cached_property
    def _renderer(self) -> logging.Formatter:
        # At the first event, not at the start: with what it imports, structlog takes 30 ms.
        from structlog import dev, processors, stdlib  # noqa: PLC0415, TID251

        return stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                processors.add_log_level,
                stdlib.add_logger_name,
                stdlib.ExtraAdder(),
                processors.TimeStamper(fmt="iso"),
            ],
            processors=[
                stdlib.ProcessorFormatter.remove_processors_meta,
                # Plain: rich's tracebacks show local variables, which hold texts and keys.
                dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=dev.plain_traceback),
            ],
        )

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        return self._renderer.format(record)
