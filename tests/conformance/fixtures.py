"""Our server over HTTP with the tools, resources and prompts of fixed names that the official suite calls.

Only these are added: the server, its middleware, its notices and its transport are the real ones. Each name and text is
asked for by the suite (`conformance list`, and the descriptions of its scenarios).
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import warnings
from collections.abc import Callable
from typing import Annotated, Any

from mcp.server.context import ServerRequestContext
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.prompts.base import Message, UserMessage
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError
from mcp.types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    ContentBlock,
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    EmbeddedResource,
    EmptyResult,
    ImageContent,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    SamplingMessage,
    SetLevelRequestParams,
    TextContent,
    TextResourceContents,
    ToolAnnotations,
)
from pydantic import BaseModel, Field

from hybrid_mcp.app import App
from hybrid_mcp.config import Settings
from hybrid_mcp.http import listen, serve_http, url_of
from hybrid_mcp.languages import Bilingual
from hybrid_mcp.opening import open_app
from hybrid_mcp.resources import HybridServer
from hybrid_mcp.server import build_server
from hybrid_mcp.tools.context import tool

_PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
_WAV = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQIAAAAAAA=="
_Ctx = Context[App]


def add_fixtures(server: HybridServer) -> None:
    """Offer what the suite calls, beside what we offer; tools go through the edge that ours go through."""
    offered = server._tool_manager._tools
    for function in _TOOLS:
        offered[function.__name__] = tool(function, Bilingual(ja="適合試験", en="Conformance"), "en", ToolAnnotations())
        offered[function.__name__].description = "Called by the suite."
    offered["json_schema_2020_12_tool"].parameters = _SCHEMA_2020_12
    for uri, mime_type, resource in _RESOURCES:
        server.resource(uri, description="Conformance", mime_type=mime_type)(resource)
    for prompt in _PROMPTS:
        server.prompt(description="Conformance")(prompt)
    # We log nothing to clients; the revision of 2025 has scenarios for servers that do.
    server._lowlevel_server.add_request_handler("logging/setLevel", SetLevelRequestParams, _set_level)


async def _set_level(_: ServerRequestContext[App], params: SetLevelRequestParams) -> EmptyResult:
    del params
    return EmptyResult()


async def test_simple_text() -> list[TextContent]:
    return [_text("This is a simple text response for testing.")]


async def test_image_content() -> list[ImageContent]:
    return [_image()]


async def test_audio_content() -> list[AudioContent]:
    return [AudioContent(data=_WAV, mime_type="audio/wav")]


async def test_embedded_resource() -> list[EmbeddedResource]:
    return [_embedded("test://embedded-resource", "This is an embedded resource content.")]


async def test_multiple_content_types() -> list[ContentBlock]:
    document = json.dumps({"test": "data", "value": 123})
    return [
        _text("Multiple content types test:"),
        _image(),
        _embedded("test://mixed-content-resource", document, "application/json"),
    ]


async def test_tool_with_logging(ctx: _Ctx) -> list[TextContent]:
    for said in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.info(said)
    return [_text("logged")]


async def test_logging_tool(ctx: _Ctx) -> list[TextContent]:
    return await test_tool_with_logging(ctx)


async def test_tool_with_progress(ctx: _Ctx) -> list[TextContent]:
    for done in (0, 50, 100):
        await ctx.report_progress(done, 100)
    return [_text("done")]


async def test_error_handling() -> list[TextContent]:
    raise ToolError("This tool intentionally returns an error for testing")


async def test_sampling(ctx: _Ctx, prompt: str) -> list[TextContent]:
    # On the stream of the call; the client's own may not be open yet.
    answer = await ctx.session.create_message(
        messages=[_said(prompt)], max_tokens=100, related_request_id=ctx.request_id
    )
    return [_text(f"LLM response: {_sampled(answer)}")]


class _Contact(BaseModel):
    username: str = Field(description="User's response")
    email: str = Field(description="User's email address")


class _Defaults(BaseModel):
    name: str = "John Doe"
    age: int = 30
    score: float = 95.5
    status: Annotated[str, Field(json_schema_extra={"enum": ["active", "inactive", "pending"]})] = "active"
    verified: bool = True


def _titled(*values: str) -> list[Any]:
    return [{"const": value, "title": value.title()} for value in values]


class _Enums(BaseModel):
    untitledSingle: str = Field(json_schema_extra={"enum": ["option1", "option2", "option3"]})  # noqa: N815  (the suite's)
    titledSingle: str = Field(json_schema_extra={"oneOf": _titled("value1", "value2", "value3")})  # noqa: N815
    untitledMulti: list[str] = Field(  # noqa: N815
        json_schema_extra={"items": {"type": "string", "enum": ["option1", "option2", "option3"]}}
    )
    titledMulti: list[str] = Field(  # noqa: N815
        json_schema_extra={"items": {"anyOf": _titled("value1", "value2", "value3")}}
    )
    legacyEnum: str = Field(  # noqa: N815
        json_schema_extra={"enum": ["opt1", "opt2", "opt3"], "enumNames": ["Option 1", "Option 2", "Option 3"]}
    )


async def test_elicitation(ctx: _Ctx, message: str) -> list[TextContent]:
    return await _elicited(ctx, message, _Contact)


async def test_elicitation_sep1034_defaults(ctx: _Ctx) -> list[TextContent]:
    return await _elicited(ctx, "Please provide user information", _Defaults)


async def test_elicitation_sep1330_enums(ctx: _Ctx) -> list[TextContent]:
    return await _elicited(ctx, "Please select values", _Enums)


async def _elicited(ctx: _Ctx, message: str, schema: type[BaseModel]) -> list[TextContent]:
    answer = await ctx.elicit(message, schema)
    content = answer.data.model_dump_json() if answer.action == "accept" else "{}"
    return [_text(f"Elicitation completed: action={answer.action}, content={content}")]


async def test_missing_capability(ctx: _Ctx) -> list[TextContent]:
    capabilities = ctx.client_capabilities
    if capabilities is None or capabilities.sampling is None:
        raise MCPError(
            MISSING_REQUIRED_CLIENT_CAPABILITY, "Sampling is required", {"requiredCapabilities": {"sampling": {}}}
        )
    return [_text("sampling is there")]


async def test_streaming_elicitation(ctx: _Ctx) -> list[TextContent] | InputRequiredResult:
    await ctx.report_progress(0, 1)
    return await test_input_required_result_elicitation(ctx)


async def test_input_required_result_elicitation(ctx: _Ctx) -> list[TextContent] | InputRequiredResult:
    match (ctx.input_responses or {}).get("user_name"):
        case ElicitResult(content=content) if content is not None:
            return [_text(f"Hello, {content['name']}!")]
        case _:
            return InputRequiredResult(input_requests={"user_name": _question("What is your name?", name="string")})


async def test_input_required_result_sampling(ctx: _Ctx) -> list[TextContent] | InputRequiredResult:
    match (ctx.input_responses or {}).get("capital_question"):
        case CreateMessageResult() as answer:
            return [_text(_sampled(answer))]
        case _:
            return InputRequiredResult(input_requests={"capital_question": _sampling("What is the capital of France?")})


async def test_input_required_result_list_roots(ctx: _Ctx) -> list[TextContent] | InputRequiredResult:
    match (ctx.input_responses or {}).get("client_roots"):
        case ListRootsResult(roots=roots):
            return [_text(" ".join(str(root.uri) for root in roots))]
        case _:
            return InputRequiredResult(input_requests={"client_roots": ListRootsRequest()})


async def test_input_required_result_request_state(ctx: _Ctx) -> list[TextContent] | InputRequiredResult:
    if ctx.input_responses and ctx.request_state == "asked":
        return [_text("state-ok")]
    return InputRequiredResult(
        input_requests={"confirm": _question("Please confirm", ok="boolean")}, request_state="asked"
    )


async def test_input_required_result_tampered_state(ctx: _Ctx) -> list[TextContent] | InputRequiredResult:
    return await test_input_required_result_request_state(ctx)


async def test_input_required_result_multiple_inputs(ctx: _Ctx) -> list[TextContent] | InputRequiredResult:
    if ctx.request_state == "asked" and {"user_name", "greeting", "client_roots"} <= (ctx.input_responses or {}).keys():
        return [_text("all answered")]
    return InputRequiredResult(
        input_requests={
            "user_name": _question("What is your name?", name="string"),
            "greeting": _sampling("Generate a greeting"),
            "client_roots": ListRootsRequest(),
        },
        request_state="asked",
    )


async def test_input_required_result_multi_round(ctx: _Ctx) -> list[TextContent] | InputRequiredResult:
    match ctx.request_state:
        case None:
            question = _question("Step 1: What is your name?", name="string")
            return InputRequiredResult(input_requests={"step1": question}, request_state="round 1")
        case "round 1":
            question = _question("Step 2: What is your favorite color?", color="string")
            return InputRequiredResult(input_requests={"step2": question}, request_state="round 2")
        case _:
            return [_text("both answered")]


async def test_input_required_result_capabilities(ctx: _Ctx) -> list[TextContent] | InputRequiredResult:
    capabilities = ctx.client_capabilities
    if capabilities is not None and capabilities.elicitation is not None:
        return InputRequiredResult(input_requests={"name": _question("What is your name?", name="string")})
    return InputRequiredResult(input_requests={"greeting": _sampling("Generate a greeting")})


async def test_custom_headers(
    region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})],
    priority: Annotated[int, Field(json_schema_extra={"x-mcp-header": "Priority"})],
) -> list[TextContent]:
    return [_text(f"{region} {priority}")]


async def json_schema_2020_12_tool() -> list[TextContent]:
    return [_text("its schema is what matters")]


_SCHEMA_2020_12 = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}

_TOOLS: tuple[Callable[..., Any], ...] = (
    test_simple_text,
    test_image_content,
    test_audio_content,
    test_embedded_resource,
    test_multiple_content_types,
    test_tool_with_logging,
    test_logging_tool,
    test_tool_with_progress,
    test_error_handling,
    test_sampling,
    test_elicitation,
    test_elicitation_sep1034_defaults,
    test_elicitation_sep1330_enums,
    test_missing_capability,
    test_streaming_elicitation,
    test_input_required_result_elicitation,
    test_input_required_result_sampling,
    test_input_required_result_list_roots,
    test_input_required_result_request_state,
    test_input_required_result_tampered_state,
    test_input_required_result_multiple_inputs,
    test_input_required_result_multi_round,
    test_input_required_result_capabilities,
    test_custom_headers,
    json_schema_2020_12_tool,
)


async def static_text() -> str:
    return "This is the content of the static text resource."


async def static_binary() -> bytes:
    return base64.b64decode(_PNG)


async def watched(what: str) -> str:
    return f"Watched {what} content"


async def template(id: str) -> str:  # noqa: A002  (named in the URI)
    return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


_RESOURCES: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    ("test://static-text", "text/plain", static_text),
    ("test://static-binary", "image/png", static_binary),
    ("test://watched-{what}", "text/plain", watched),  # a template: ours are all that can be subscribed to besides
    ("test://template/{id}/data", "application/json", template),
)


async def test_simple_prompt() -> list[Message]:
    return [UserMessage("This is a simple prompt for testing.")]


async def test_prompt_with_arguments(arg1: str, arg2: str) -> list[Message]:
    return [UserMessage(f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'")]


async def test_prompt_with_embedded_resource(resourceUri: str) -> list[Message]:  # noqa: N803  (the suite's)
    return [
        UserMessage(_embedded(resourceUri, "Embedded resource content for testing.")),
        UserMessage("Please process the embedded resource above."),
    ]


async def test_prompt_with_image() -> list[Message]:
    return [UserMessage(_image()), UserMessage("Please analyze the image above.")]


async def test_input_required_result_prompt(ctx: _Ctx) -> list[Message] | InputRequiredResult:
    match (ctx.input_responses or {}).get("user_context"):
        case ElicitResult(content=content) if content is not None:
            return [UserMessage(f"In the context of {content['context']}")]
        case _:
            question = _question("What context should the prompt use?", context="string")
            return InputRequiredResult(input_requests={"user_context": question})


_PROMPTS: tuple[Callable[..., Any], ...] = (
    test_simple_prompt,
    test_prompt_with_arguments,
    test_prompt_with_embedded_resource,
    test_prompt_with_image,
    test_input_required_result_prompt,
)


def _text(text: str) -> TextContent:
    return TextContent(text=text)


def _image() -> ImageContent:
    return ImageContent(data=_PNG, mime_type="image/png")


def _embedded(uri: str, text: str, mime_type: str = "text/plain") -> EmbeddedResource:
    return EmbeddedResource(resource=TextResourceContents(uri=uri, text=text, mime_type=mime_type))


def _question(message: str, **fields: str) -> ElicitRequest:
    schema = {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in fields.items()},
        "required": [*fields],
    }
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def _said(text: str) -> SamplingMessage:
    return SamplingMessage(role="user", content=_text(text))


def _sampling(prompt: str) -> CreateMessageRequest:
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=[_said(prompt)], max_tokens=100))


def _sampled(answer: CreateMessageResult) -> str:
    return answer.content.text if isinstance(answer.content, TextContent) else answer.content.type


async def main() -> None:
    warnings.simplefilter("ignore", MCPDeprecationWarning)  # the revision of 2025 still has logging and sampling
    settings = Settings()
    async with open_app(settings) as app:
        server = build_server(app)
        add_fixtures(server)
        with listen(settings.serve.host, 0) as listener:
            sys.stderr.write(f"{url_of(listener, '/mcp')}\n")
            await serve_http(server, settings.serve, listener)


if __name__ == "__main__":
    asyncio.run(main())
