"""The sidecar: whether the program is alive, ready, and what it does, over HTTP for people and Prometheus."""

from __future__ import annotations

import os
import time
from typing import Literal

from fastapi import FastAPI
from pydantic import BaseModel

from hybrid_mcp import __version__
from hybrid_mcp.app import App


class Health(BaseModel):
    """It answers, so it is alive."""

    status: Literal["ok"] = "ok"
    version: str
    uptime_seconds: float
    pid: int


def build_api(app: App) -> FastAPI:
    """The sidecar of an App. It borrows the App; whoever opened it closes it."""
    del app
    began = time.monotonic()
    api = FastAPI(title="hybrid-mcp", version=__version__, docs_url=None, redoc_url=None)

    @api.get("/health")
    async def health() -> Health:
        """Whether the process answers."""
        return Health(version=__version__, uptime_seconds=time.monotonic() - began, pid=os.getpid())

    return api
