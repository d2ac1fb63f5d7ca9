"""The command line."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import SettingsError

from hybrid_mcp import __version__, logs
from hybrid_mcp.config import Settings, env_files, unknown_variables
from hybrid_mcp.errors import HybridError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0 when it did what was asked."""
    asked = _parser().parse_args(arguments)
    try:
        settings = Settings()
    except ValidationError as error:
        for detail in error.errors():
            name = "__".join(str(part) for part in detail["loc"]).upper()
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
                return _serve(settings)
            case "models":
                return _models(settings, asked.action)
            case "check":
                from hybrid_mcp.checkup import check  # noqa: PLC0415  (rich and every engine, only here)

                return asyncio.run(check(settings, as_json=asked.json))
            case "demo":
                from hybrid_mcp.demo import demo  # noqa: PLC0415  (rich and the client, only here)

                return asyncio.run(demo(settings, asked.examples))
            case unknown:  # pragma: no cover  (argparse knows them all)
                raise AssertionError(unknown)
    except HybridError as error:
        sys.stderr.write(error.text(settings.language) + "\n")
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hybrid-mcp",
        description="論文から、読み上げと字幕の付いた動画用音声を作る MCP サーバー / "
        "An MCP server that turns a paper into a narrated, subtitled episode.",
    )
    parser.add_argument("--version", action="version", version=f"hybrid-mcp {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="MCP over stdio / MCP サーバーを stdio で動かす")
    models = commands.add_parser("models", help="the embedded models / 内蔵モデル")
    models.add_argument(
        "action", choices=("fetch", "verify"), help="fetch what is missing, or hash what is here / 取得、または検査"
    )
    check = commands.add_parser("check", help="what is reachable, and what to do / 使えるものと直し方")
    check.add_argument("--json", action="store_true", help="for programs / プログラム向け")
    demo = commands.add_parser("demo", help="make an example episode through a real client / 例を作って聞く")
    demo.add_argument("--examples", type=Path, default=Path("examples"), help="folder of paper.ja.json, paper.en.json")
    return parser


def _serve(settings: Settings) -> int:
    return asyncio.run(_serve_stdio(settings))


async def _serve_stdio(settings: Settings) -> int:
    """Serve until the client closes stdin, or SIGINT or SIGTERM; then stop what runs and clean up."""
    from hybrid_mcp.opening import open_app  # noqa: PLC0415  (`--help` needs none of this)
    from hybrid_mcp.server import build_server  # noqa: PLC0415
    from hybrid_mcp.stdio import serve_stdio  # noqa: PLC0415

    async with open_app(settings) as app:
        await serve_stdio(build_server(app))
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
