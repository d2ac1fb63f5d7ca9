"""Questions to the person before a client, where it can put them; and what their answers mean.

A question is asked once, but what leads to it runs again whenever a client of the newest protocol comes back with an
answer: it must come to the same question, and spend nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from mcp.server.mcpserver import AcceptedElicitation, Context, Elicit, ElicitationResult
from mcp.types.version import MODERN_PROTOCOL_VERSIONS, is_version_at_least
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

from hybrid_mcp.app import App
from hybrid_mcp.errors import NotAgreed
from hybrid_mcp.languages import Bilingual

_FORMS_SINCE = "2025-06-18"
"""The version of the protocol that brought them."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several values to choose."""

    title: str
    options: Mapping[str, str]
    """What each value is called, by the value."""


def can_ask(ctx: Context[App]) -> bool:
    """Whether the client can put a form before somebody. The SDK fails a call that asks where it cannot."""
    capabilities = ctx.client_capabilities
    elicitation = capabilities.elicitation if capabilities is not None else None
    if not is_version_at_least(ctx.protocol_version or "", _FORMS_SINCE):  # whatever such a client says of itself
        return False
    if elicitation is None or (elicitation.form is None and elicitation.url is not None):
        return False
    # In the newest protocol a question is an answer to the call; before, it is a request to the client.
    return ctx.protocol_version in MODERN_PROTOCOL_VERSIONS or ctx.session.can_send_request


def choice(question: str, choices: Mapping[str, Choice]) -> Elicit[BaseModel]:
    """A question whose answer has the names of `choices`."""
    # `enum` with `enumNames` is known to clients of every version that has forms; `oneOf` to those of the latest.
    fields: dict[str, Any] = {
        name: Annotated[
            str,
            Field(
                title=one.title,
                json_schema_extra={"enum": [*one.options], "enumNames": [*one.options.values()]},
            ),
            AfterValidator(partial(_one_of, one.options)),
        ]
        for name, one in choices.items()
    }
    return Elicit(question, create_model("Choice", __config__=ConfigDict(json_schema_extra=_untitled), **fields))


def consent(question: str, title: str) -> Elicit[BaseModel]:
    """A question to be answered with yes, which is called `title`, or no."""
    # Clients differ in what they make of a form without fields.
    return Elicit(
        question,
        create_model(
            "Consent", __config__=ConfigDict(json_schema_extra=_untitled), agree=Annotated[bool, Field(title=title)]
        ),
    )


def chosen(answer: ElicitationResult[BaseModel], refused: Bilingual) -> dict[str, Any]:
    """What was answered; nothing where nothing was asked.

    Raises:
        NotAgreed: `refused`, where the person did not want to answer, or said no.
    """
    if not isinstance(answer, AcceptedElicitation):
        raise NotAgreed(ja=refused.ja, en=refused.en)
    given: dict[str, Any] = answer.data.model_dump() if isinstance(answer.data, BaseModel) else {}
    if given.get("agree") is False:
        raise NotAgreed(ja=refused.ja, en=refused.en)
    return given


def _untitled(form: dict[str, Any]) -> None:
    """Not called by the English name of its class: the question says what it is."""
    del form["title"]


def _one_of(options: Mapping[str, str], value: str) -> str:
    if value not in options:
        raise ValueError("none of the choices")
    return value
