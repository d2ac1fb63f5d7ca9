"""The command line."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError
from pydantic_settings import SettingsError

from hybrid_mcp import __version__, logs
from hybrid_mcp.config import Serving, Settings, env_files, unknown_variables
from hybrid_mcp.errors import HybridError, PortUnusable

if TYPE_CHECKING:  # `--help` needs none of this
    from starlette.types import ASGIApp

    from hybrid_mcp.app import App


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0 when it did what was asked."""
    try:
        return _main(arguments)
    except KeyboardInterrupt:
        return 130


def _main(arguments: Sequence[str] | None) -> int:
    asked = _asked(arguments)
    try:
        settings = _settings(asked)
    except ValidationError as error:
        for detail in error.errors():
            name = "__".join(part for part in detail["loc"] if isinstance(part, str)).upper()  # no place in a list
            sys.stderr.write(f"HYBRID_MCP_{name}: {detail['msg']} / 設定 HYBRID_MCP_{name} が正しくありません\n")
        return 2
    except UnicodeDecodeError:
        names = ", ".join(str(file) for file in env_files() if file.is_file())
        sys.stderr.write(f"{names} is not UTF-8: save it again as UTF-8. / UTF-8 で保存し直してください。\n")
        return 2
    except SettingsError as error:
        sys.stderr.write(f"{error} / 設定 (環境変数か .env.hybrid) が読めません\n")
        return 2
    for name, near in unknown_variables().items():
        sys.stderr.write(f"{name} is no setting, did you mean {near}? / 設定 {name} はありません。近いもの: {near}\n")
    logs.configure(settings.log_level)
    try:
        match asked.command:
            case "serve":
                return _serve(settings, asked.transport)
            case "models":
                return _models(settings, asked.action)
            case "check":
                from hybrid_mcp.checkup import check  # noqa: PLC0415  (rich and every engine, only here)

                return asyncio.run(check(settings, as_json=asked.json))
            case "demo":
                from hybrid_mcp.demo import demo  # noqa: PLC0415  (rich and the client, only here)

                return asyncio.run(demo(settings, asked.examples))
            case "install":
                return _install(settings, asked)
            case unknown:  # pragma: no cover  (argparse knows them all)
                raise AssertionError(unknown)
    except HybridError as error:
        sys.stderr.write(error.text(settings.language) + "\n")
        return 1


def _asked(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What the command line says; exits with status 2 if it contradicts itself."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if asked.command == "serve" and asked.transport == "stdio":
        for name in ("host", "port", "with_sse"):
            if getattr(asked, name) is not None:
                option = "--" + name.replace("_", "-")
                parser.error(f"{option} needs --transport http / {option} は --transport http と一緒に使います")
    return asked


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hybrid-mcp",
        description="論文から、読み上げと字幕の付いた動画用音声を作る MCP サーバー / "
        "An MCP server that turns a paper into a narrated, subtitled episode.",
    )
    parser.add_argument("--version", action="version", version=f"hybrid-mcp {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="MCP over stdio or HTTP / MCP サーバーを動かす")
    serve.add_argument(
        "--transport", choices=("stdio", "http"), default="stdio", help="stdio, or Streamable HTTP at /mcp"
    )
    serve.add_argument("--host", help="HTTP: address to listen on / 待ち受ける番地 (127.0.0.1)")
    serve.add_argument("--port", type=_port, help="HTTP: port; 0: any free one / ポート (8001)")
    serve.add_argument(
        "--with-sse", action="store_true", default=None, help="HTTP: /sse too, for old clients / 古い /sse も"
    )
    serve.add_argument("--sidecar-port", type=_port, help="port of /health and /metrics / サイドカーのポート (8000)")
    serve.add_argument("--no-sidecar", dest="sidecar", action="store_false", default=None, help="no sidecar / なし")
    models = commands.add_parser("models", help="the embedded models / 内蔵モデル")
    models.add_argument(
        "action", choices=("fetch", "verify"), help="fetch what is missing, or hash what is here / 取得、または検査"
    )
    check = commands.add_parser("check", help="what is reachable, and what to do / 使えるものと直し方")
    check.add_argument("--json", action="store_true", help="for programs / プログラム向け")
    demo = commands.add_parser("demo", help="make an example episode through a real client / 例を作って聞く")
    demo.add_argument("--examples", type=Path, default=Path("examples"), help="folder of paper.ja.json, paper.en.json")
    install = commands.add_parser("install", help="tell an MCP host about this server / MCP ホストに登録する")
    install.add_argument(
        "mcp_host", choices=("claude-desktop", "claude-code", "cursor", "vscode"), help="which one / 登録先"
    )
    install.add_argument("--name", type=_server_name, default="hybrid-mcp", help="name shown there / そこでの名前")
    install.add_argument(
        "--env", type=_variable, action="append", default=[], metavar="NAME=VALUE", help="a variable / 環境変数を渡す"
    )
    install.add_argument("--file", type=Path, help="another file, for example a project's / 書き込むファイル")
    instead = install.add_mutually_exclusive_group()
    instead.add_argument("--print", dest="show", action="store_true", help="write nothing, show it / 書かずに見せる")
    instead.add_argument("--remove", action="store_true", help="undo / 取り除く")
    return parser


def _server_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", text):  # what hosts allow, and put before the names of tools
        raise argparse.ArgumentTypeError("use 1 to 40 of A-Z a-z 0-9 _ - / 英数字と _ - を 40 字まで使えます")
    return text


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise argparse.ArgumentTypeError("write NAME=VALUE / 名前=値 の形で書いてください")
    if any("\ud800" <= letter <= "\udfff" for letter in value):  # what Python makes of bytes that are no text
        raise argparse.ArgumentTypeError("the value is not text in your locale / 値が文字として読めません")
    return name, value


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError("a port is 0 to 65535 / ポートは 0 から 65535 です")
    return port


def _settings(asked: argparse.Namespace) -> Settings:
    """The settings, and what the command line says otherwise about serving."""
    said = {name: value for name in Serving.model_fields if (value := getattr(asked, name, None)) is not None}
    settings = Settings()
    return settings.model_copy(update={"serve": Serving.model_validate(settings.serve.model_dump() | said)})


def _serve(settings: Settings, transport: str) -> int:
    # While everything is imported there is no garbage; looking for it would take a tenth of the start (measured).
    gc.disable()
    if transport == "stdio":
        if sys.stdin is None or sys.stdout is None:  # so Python says that they were closed at the start
            raise HybridError(
                ja="標準入力か標準出力が閉じています。MCP ホストから起動するか、--transport http を使ってください。",
                en="Standard input or output is closed. Start it from an MCP host, or use --transport http.",
            )
        return asyncio.run(_serve_stdio(settings))
    return _loop_for_http().run(_serve_http(settings))


def _started() -> None:
    """Let the collector look only at what comes from now on; what the program is made of stays to its end anyway.

    Looking through that too takes 90 ms each time (measured), in which no call is answered.
    """
    gc.freeze()
    gc.enable()


def _loop_for_http() -> asyncio.Runner:
    """Uvloop where there is one: a quarter more calls a second over HTTP, measured; nothing on stdio."""
    try:
        import uvloop  # noqa: PLC0415  (not on Windows, and not on stdio)
    except ImportError:
        return asyncio.Runner()
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


async def _serve_stdio(settings: Settings) -> int:
    """Serve until the client closes stdin, or SIGINT or SIGTERM; then stop what runs and clean up."""
    from hybrid_mcp.opening import open_app  # noqa: PLC0415  (`--help` needs none of this)
    from hybrid_mcp.server import build_server  # noqa: PLC0415
    from hybrid_mcp.stdio import serve_stdio  # noqa: PLC0415

    async with open_app(settings) as app:
        server = build_server(app)
        _started()
        await serve_stdio(server, longest=settings.serve.max_message_bytes, once_answered=partial(_sidecar_or_not, app))
    return 0


async def _sidecar_or_not(app: App) -> None:
    """The sidecar of a server on stdio, of which there may be several: the first one has the port."""
    from hybrid_mcp.http import listen_beside, serving_beside  # noqa: PLC0415

    serving = app.settings.serve
    if not serving.sidecar:
        return
    try:
        listener = listen_beside(serving.sidecar_port)
    except PortUnusable as error:
        logging.getLogger(__name__).warning("no sidecar", extra={"reason": error.text("en")})
        return
    build_api = await asyncio.to_thread(_build_api)
    async with serving_beside(build_api(app), listener):
        await asyncio.Event().wait()


async def _serve_http(settings: Settings) -> int:
    """Serve until SIGINT or SIGTERM; then let calls end, and clean up."""
    from hybrid_mcp.http import listen, listen_beside, security, serve_http, serving_beside, url_of  # noqa: PLC0415
    from hybrid_mcp.opening import open_app  # noqa: PLC0415
    from hybrid_mcp.server import build_server  # noqa: PLC0415

    serving = settings.serve
    security(serving)  # refuses before anything is opened and told
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(listen(serving.host, serving.port))
        app = await stack.enter_async_context(open_app(settings))
        told = url_of(listener, "/mcp")
        if serving.sidecar:
            beside = stack.enter_context(listen_beside(serving.sidecar_port))
            await stack.enter_async_context(serving_beside(_build_api()(app), beside))
            told += f"  {url_of(beside, '/health')}"
        if serving.with_sse:
            told += f"  {url_of(listener, '/sse')}"
        server = build_server(app)
        _started()
        sys.stderr.write(f"{told}\n")
        await serve_http(server, serving, listener)
    return 0


def _build_api() -> Callable[[App], ASGIApp]:
    """FastAPI takes a quarter of a second to import: in a thread, beside what is being answered."""
    from hybrid_mcp.api import build_api  # noqa: PLC0415

    return build_api


def _install(settings: Settings, asked: argparse.Namespace) -> int:
    from hybrid_mcp.install import Installation  # noqa: PLC0415  (only here)

    installation = Installation(asked.mcp_host, asked.name, dict(asked.env), asked.file)
    if asked.show:
        installation.show(settings.language)
    elif asked.remove:
        installation.remove(settings.language)
    else:
        asyncio.run(installation.write(settings.language))
    return 0


def _models(settings: Settings, action: str) -> int:
    from rich.console import Console  # noqa: PLC0415

    from hybrid_mcp import models  # noqa: PLC0415

    console = Console(stderr=True)
    if action == "fetch":
        models.fetch_with_bars(settings.models_dir, console, language=settings.language)
        return 0
    wrong = [
        f"{weights.name}: {problem}"
        for weights in models.ALL
        for problem in models.verify(weights, settings.models_dir)
    ]
    for problem in wrong:
        console.print(f"✗ {problem}", markup=False, soft_wrap=True)
    if not wrong:
        console.print(f"✓ {settings.models_dir}", markup=False, soft_wrap=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
