"""Telling clients what has changed: over `subscriptions/listen`, and in sessions of the older protocols.

Two things change: the list of resources, whenever something is made, and what `voices://`, `models://` and
`status://` say, when engines come and go. The engines are looked at as long as somebody has subscribed. Nobody is
waited for: each client has its own task, and what it has not been told yet is told once, however often it changed.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import islice
from typing import Any

from anyio.lowlevel import checkpoint
from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError
from mcp.server.subscriptions import ListenHandler, ResourcesListChanged, ResourceUpdated, ServerEvent
from mcp.shared.exceptions import MCPError
from mcp.shared.uri_template import UriTemplate
from mcp.types import (
    INVALID_PARAMS,
    EmptyResult,
    InputRequiredResult,
    NotificationParams,
    ServerCapabilities,
    SubscribeRequestParams,
    SubscriptionFilter,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)

from hybrid_mcp.languages import Bilingual, Language
from hybrid_mcp.threads import ended

_LIVE = ("voices://", "models://", "status://")
"""What says something else when engines come and go. What artifacts say never changes."""
_PASSING = frozenset({"detail", "latency_ms", "passed_over"})
"""What differs between two looks though nothing has changed: milliseconds, free bytes, counts of failures."""
_LISTED = ("script-", "audio-", "transcript-")
"""Beginnings of the ids of artifacts that stand in the list of resources."""
_MOST = 100
"""Resources one session, or one stream, may subscribe to."""
_LONGEST_URI = 2048


class Notices:
    """What changes, towards every client of one server. It is the server's `SubscriptionBus`."""

    def __init__(self, every: float, language: Language) -> None:
        """Nothing is looked at yet.

        Args:
            every: seconds between two looks at what somebody has subscribed to.
            language: of refusals.
        """
        self._every = every
        self._language = language
        self._listeners: dict[object, Callable[[ServerEvent], None]] = {}
        self._streams = ListenHandler(self)
        self._server: MCPServer[Any] | None = None
        self._lookouts: dict[str, _Lookout] = {}

    def made(self, artifact: str) -> None:
        """Something was made."""
        if artifact.startswith(_LISTED):
            self.tell(ResourcesListChanged())

    def tell(self, event: ServerEvent) -> None:
        """Let everybody know who wants to. Waits for nobody."""
        for listener in tuple(self._listeners.values()):
            listener(event)

    async def publish(self, event: ServerEvent) -> None:
        """See `SubscriptionBus.publish`."""
        self.tell(event)
        await checkpoint()

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        """See `SubscriptionBus.subscribe`."""
        key = object()
        self._listeners[key] = listener
        return lambda: self._listeners.pop(key, None) and None

    def close(self) -> None:
        """End every stream of `subscriptions/listen` with its answer, which tells clients that it is meant."""
        self._streams.close()

    def serve(self, server: MCPServer[Any]) -> None:
        """Serve subscriptions of both eras on `server`, and say truthfully what can change."""
        self._server = server
        self._lookouts = {root: _Lookout(partial(_look, server, root), self._every, self.tell) for root in _LIVE}
        # A private name of the SDK: its public side knows only subscriptions of the newest protocol, which list every
        # kind of change as possible, and nothing of sessions.
        low_level = server._lowlevel_server  # noqa: SLF001
        low_level.add_request_handler("subscriptions/listen", SubscriptionsListenRequestParams, self._listen)
        low_level.add_request_handler("resources/subscribe", SubscribeRequestParams, self._subscribe)
        low_level.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, self._unsubscribe)
        low_level.add_notification_handler("notifications/initialized", NotificationParams, self._initialized)
        told = low_level.get_capabilities

        def truthful(*arguments: Any, **named: Any) -> ServerCapabilities:
            capabilities = told(*arguments, **named)
            if capabilities.resources is not None:
                capabilities.resources.list_changed = True
            for fixed in (capabilities.tools, capabilities.prompts):
                if fixed is not None:
                    fixed.list_changed = False
            return capabilities

        # Every transport asks this one method, each with options of its own.
        low_level.get_capabilities = truthful  # type: ignore[method-assign]

    async def _listen(
        self, ctx: ServerRequestContext[Any], params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        """One stream of the newest protocol. What it is not told of is left out of the acknowledgement."""
        asked = params.notifications
        distinct = islice(dict.fromkeys(asked.resource_subscriptions or ()), _MOST)
        uris = [uri for uri in distinct if await self._offers(uri)]
        granted = SubscriptionFilter(
            resources_list_changed=asked.resources_list_changed, resource_subscriptions=uris or None
        )
        async with self._looking(uris):
            return await self._streams(ctx, params.model_copy(update={"notifications": granted}))

    async def _initialized(self, ctx: ServerRequestContext[Any], params: NotificationParams) -> None:
        del params
        self._session(ctx)

    async def _subscribe(self, ctx: ServerRequestContext[Any], params: SubscribeRequestParams) -> EmptyResult:
        if not await self._offers(params.uri):
            raise self._refusal(
                params.uri,
                Bilingual(
                    ja="このサーバーにはないリソースです。resources/list と resources/templates/list を見てください。",
                    en="This server has no such resource. See resources/list and resources/templates/list.",
                ),
            )
        subscribed = self._session(ctx).subscribed
        async with AsyncExitStack() as entering:
            await entering.enter_async_context(self._looking([params.uri]))
            if len(subscribed) >= _MOST:
                raise self._refusal(
                    params.uri,
                    Bilingual(
                        ja=f"購読できるリソースは {_MOST} 個までです。要らないものを解除してください。",
                        en=f"At most {_MOST} resources can be subscribed to. Unsubscribe from some first.",
                    ),
                )
            if params.uri not in subscribed:
                subscribed[params.uri] = entering.pop_all()
        return EmptyResult()

    def _refusal(self, uri: str, why: Bilingual) -> MCPError:
        return MCPError(INVALID_PARAMS, why.in_(self._language), {"uri": uri})

    async def _unsubscribe(self, ctx: ServerRequestContext[Any], params: UnsubscribeRequestParams) -> EmptyResult:
        if (stack := self._session(ctx).subscribed.pop(params.uri, None)) is not None:
            await stack.aclose()
        return EmptyResult()

    def _session(self, ctx: ServerRequestContext[Any]) -> _Session:
        """What we know of the session of a request; it is forgotten when its connection ends."""
        # Private, too: of all the SDK lends a handler, only this knows when a client is gone.
        connection = ctx.session._connection  # noqa: SLF001
        found = connection.state.get(__name__)
        if isinstance(found, _Session):
            return found
        session = connection.state[__name__] = _Session(connection)
        connection.exit_stack.push_async_callback(session.close)
        connection.exit_stack.callback(self.subscribe(session.tell))
        return session

    async def _offers(self, uri: str) -> bool:
        assert self._server is not None  # noqa: S101  (only served handlers ask)
        if len(uri) > _LONGEST_URI:
            return False
        if uri in _LIVE:
            return True
        # Whatever else there is to read matches a template; nothing that was made need be listed for it.
        templates = await self._server.list_resource_templates()
        return any(UriTemplate.parse(template.uri_template).match(uri) is not None for template in templates)

    @asynccontextmanager
    async def _looking(self, uris: Iterable[str]) -> AsyncIterator[None]:
        """Look at what is live among `uris`, and tell its changes from now on."""
        async with AsyncExitStack() as stack:
            for uri in uris:
                for root in _LIVE:
                    if uri.startswith(root):
                        await stack.enter_async_context(self._lookouts[root].of(uri))
            yield


class _Session:
    """A client of an older protocol: what it wants to know, and has yet to be told."""

    def __init__(self, connection: Connection) -> None:
        self.subscribed: dict[str, AsyncExitStack] = {}
        """What it subscribed to, and what ends our looking there."""
        self._connection = connection
        self._untold: dict[ServerEvent, None] = {}
        self._telling: asyncio.Task[None] | None = None

    def tell(self, event: ServerEvent) -> None:
        """Tell it as soon as it reads, if it wants to know."""
        if isinstance(event, ResourceUpdated) and event.uri not in self.subscribed:
            return
        self._untold[event] = None
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell())

    async def close(self) -> None:
        """Forget it."""
        if self._telling is not None:
            self._telling.cancel()
            await ended(self._telling)
        for stack in self.subscribed.values():
            await stack.aclose()

    async def _tell(self) -> None:
        while self._untold:
            event = next(iter(self._untold))
            del self._untold[event]
            match event:
                case ResourceUpdated(uri):
                    await self._connection.send_resource_updated(uri)
                case _:
                    await self._connection.send_resource_list_changed()


class _Lookout:
    """Looks at one live resource, for as long as anybody has subscribed to it or to a part of it."""

    def __init__(
        self, look: Callable[[], Awaitable[object]], every: float, tell: Callable[[ServerEvent], None]
    ) -> None:
        self._look = look
        self._every = every
        self._tell = tell
        self._uris: Counter[str] = Counter()
        self._looking: asyncio.Task[None] | None = None
        self._seen = asyncio.Event()

    @asynccontextmanager
    async def of(self, uri: str) -> AsyncIterator[None]:
        """Tell when `uri` may say something else than now."""
        self._uris[uri] += 1
        if self._looking is None:
            self._seen.clear()
            self._looking = asyncio.create_task(self._look_on())
        try:
            await self._seen.wait()
            yield
        finally:
            self._uris[uri] -= 1
            self._uris += Counter()  # without those nobody wants any more
            if not self._uris and (looking := self._looking) is not None:
                self._looking = None
                looking.cancel()
                await ended(looking)

    async def _look_on(self) -> None:
        seen = await self._look()
        self._seen.set()
        while True:
            await asyncio.sleep(self._every)
            if (now := await self._look()) != seen:
                seen = now
                for uri in self._uris:
                    self._tell(ResourceUpdated(uri))


async def _look(server: MCPServer[Any], uri: str) -> object:
    """What a resource says, without what passes; None when it cannot be read."""
    try:
        contents = await server.read_resource(uri)
    except ResourceError:
        return None
    assert not isinstance(contents, InputRequiredResult)  # noqa: S101  (ours ask nothing back)
    return [_lasting(json.loads(content.content)) for content in contents]


def _lasting(value: Any) -> Any:
    match value:
        case dict():
            return {name: _lasting(inner) for name, inner in value.items() if name not in _PASSING}
        case list():
            return [_lasting(inner) for inner in value]
        case _:
            return value
