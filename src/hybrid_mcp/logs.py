"""The log: stderr only, since stdout is the wire on stdio. No text, audio or secret goes in."""

from __future__ import annotations

import logging
import sys

import stamina
import structlog


def configure(level: str) -> None:
    """Send our events, and the libraries', to stderr from `level` on."""
    # What was asked again is told where it failed for good; a line for each attempt would bury that.
    stamina.instrumentation.set_on_retry_hooks(() if level != "DEBUG" else None)
    number = logging.getLevelNamesMapping()[level]
    logging.basicConfig(level=number, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for library in ("httpx2", "httpx"):  # they tell whole addresses: a text to be spoken, a user's token
        logging.getLogger(library).setLevel(max(number, logging.WARNING))
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
    )
