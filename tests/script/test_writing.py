"""Scripts written by a model: asked for, checked, corrected once."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped, unused-ignore]
import pytest
from peers.author import CutAnswer, ScriptedModel
from peers.messages import messages_server, says

from hybrid_mcp.backend import Backend
from hybrid_mcp.config import ClaudeServer, Outgoing
from hybrid_mcp.egress import Egress
from hybrid_mcp.errors import (
    AnswerRefused,
    AnswerUnusable,
    EngineUnavailable,
    InvalidInput,
    NotAgreed,
    UnsupportedLanguage,
)
from hybrid_mcp.llm.claude import Claude
from hybrid_mcp.llm.embedded import LlamaCpp
from hybrid_mcp.llm.interface import ChatRequest, Prices, Watch
from hybrid_mcp.script.compose import compose
from hybrid_mcp.script.draft import ScriptDraft, accept, wire_schema
from hybrid_mcp.script.model import Paper, Role, Script
from hybrid_mcp.script.prompting import Wishes, writing_prompt
from hybrid_mcp.script.rules import RULES
from hybrid_mcp.script.source import Source, source_of_paper, source_of_text
from hybrid_mcp.script.write import quoted, write
from hybrid_mcp.secrets.interface import Secret, SecretName

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
GOOD = (HERE / "good_script.ja.json").read_text(encoding="utf-8")
DIALOGUE = (HERE / "good_dialogue.ja.json").read_text(encoding="utf-8")
PAIR = (Role(name="博士", notes="落ち着いて説明する。"), Role(name="ミナ", notes="好奇心旺盛。よくおどろく。"))
WISHES = Wishes("popular", "ja", 3)


@pytest.fixture
def source(japanese_paper: Paper) -> Source:
    return source_of_paper(japanese_paper)


def changed(**lines: str | list[int]) -> str:
    """The good draft with the text or evidence of its line 12 (`text`, `evidence`) changed."""
    draft = json.loads(GOOD)
    draft["sections"][2]["lines"][2] |= lines
    return json.dumps(draft, ensure_ascii=False)


def rules(script: Script) -> list[str]:
    return [complaint.rule for complaint in script.complaints]


@pytest.mark.parametrize(
    ("text", "style", "cast"), [(GOOD, "popular", ()), (DIALOGUE, "dialogue", PAIR)], ids=["narrator", "dialogue"]
)
async def test_a_good_script_is_taken_as_it_is_after_one_request(
    text: str, style: Any, cast: tuple[Role, ...], source: Source
) -> None:
    model = ScriptedModel(text)
    written = await write(model, source, Wishes(style, "ja", 3, cast))
    assert written.script.complaints == ()
    assert written.script.engine == "scripted/by-heart"
    assert written.script.cast == cast
    assert [line.text for line in written.script.lines] == [
        line["text"] for section in json.loads(text)["sections"] for line in section["lines"]
    ]
    assert written.rounds == 1
    assert written.counted_tokens == written.usage.prompt_tokens == await model.count(model.requests[0])
    assert (written.usage.cached_tokens, written.usage.cost) == (10, 0.25)
    assert written.usage.completion_tokens > 0
    jsonschema.validate(json.loads(text), dict(model.requests[0].json_schema or {}))


def test_the_good_scripts_pass_save_script_too(source: Source) -> None:
    for text, style, cast in ((GOOD, "popular", ()), (DIALOGUE, "dialogue", ())):
        draft = ScriptDraft.model_validate_json(text)
        script = accept(
            draft, source, language="ja", style=style, target_minutes=3, written_by="us", cast=cast  # type: ignore[arg-type]
        )  # fmt: skip
        assert script.complaints == ()
        assert script.grounded_share > 0.8


async def test_the_request_keeps_rules_task_and_material_apart(source: Source) -> None:
    model = ScriptedModel(DIALOGUE)
    await write(model, source, Wishes("dialogue", "ja", 3, PAIR))
    [request] = model.requests
    assert request.system == RULES
    assert request.material.startswith(f'<source id="{source.id}">\n[1] (title) ')
    assert request.material.endswith(f'\n</source id="{source.id}">')
    assert "[4] (abstract) これまで、" in request.material
    assert "about 960 Japanese characters" in request.prompt
    assert "ミナ (好奇心旺盛。よくおどろく。)" in request.prompt
    assert "[8]" in request.prompt
    assert source.sentences[3].text not in request.prompt


def test_the_prompt_for_clients_shares_rules_and_material_with_the_verb(source: Source) -> None:
    told = writing_prompt(source, language="ja", style="popular", target_minutes=2)
    assert told.startswith(RULES)
    assert f'</source id="{source.id}">' in told
    assert "save_script" in told


def test_the_schema_on_the_wire_names_the_speakers_and_bounds_nothing() -> None:
    schema = wire_schema(ScriptDraft, ["A", "B"], without={"description"})
    whole = json.dumps(schema)
    assert schema["required"] == ["title", "hook", "sections", "tags"]
    assert '"enum": ["A", "B"]' in whole
    for word in ("maxLength", "minLength", "maxItems", "minItems", "default", "anyOf", "$ref", "pattern"):
        assert word not in whole


async def test_a_fault_is_put_to_the_model_once_with_line_and_remedy(source: Source) -> None:
    wrong = changed(text="この仮説をもとに、候補となる遺伝子を42種類選びます。")
    model = ScriptedModel(wrong, GOOD)
    written = await write(model, source, WISHES)
    assert written.script.complaints == ()
    assert written.rounds == 2
    assert written.usage.cost == 0.5
    first, second = model.requests
    assert (second.system, second.material, second.json_schema) == (first.system, first.material, first.json_schema)
    assert [turn.role for turn in second.conversation()] == ["user", "assistant", "user"]
    assert second.turns[0].text == first.prompt
    assert second.turns[1].text == wrong
    assert "line 13: The number 42 is not in its evidence [6]." in second.prompt


@pytest.mark.parametrize("order", [1, -1])
async def test_the_better_of_both_drafts_is_kept_with_what_is_wrong(order: int, source: Source) -> None:
    one = changed(text="この仮説をもとに、候補となる遺伝子を42種類選びます。")
    two = changed(text="この仮説をもとに、候補となる遺伝子を42種類、99種類、GPTで選びます。")
    written = await write(ScriptedModel(*[two, one][::order]), source, WISHES)
    assert rules(written.script) == ["numeral-not-in-evidence"]
    assert "42" in written.script.complaints[0].en


async def test_a_length_complaint_weighs_less_than_a_wrong_figure(source: Source) -> None:
    short = json.loads(GOOD)
    short["sections"] = short["sections"][:4]
    wrong = changed(text="この仮説をもとに、候補となる遺伝子を42種類選びます。")
    written = await write(ScriptedModel(wrong, json.dumps(short)), source, WISHES)
    assert rules(written.script) == ["shorter-than-asked"]


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ({"text": "Twenty-four candidate genes were chosen by them."}, "wrong-language"),
        ({"text": "选择了二十四个候选基因进行实验。"}, "wrong-language"),
        ({"speaker": "司会"}, "unknown-speaker"),
        ({"evidence": [99]}, "no-such-evidence"),
        ({"text": "冬の北極圏では夜空にオーロラが輝き観光客が集まります。"}, "unlike-its-evidence"),
        ({"text": "くわしくは gene-shop.example へ。"}, "address-not-in-source"),
        ({"text": "遺伝子の注文は order@shop.jp まで。"}, "address-not-in-source"),
        ({"text": "遺伝子なら、アクメ・ドットコムへ。"}, "address-not-in-source"),
        ({"text": "Every line that states a fact lists in evidence the numbers of the source."}, "recites-the-rules"),
    ],
)
async def test_what_is_wrong_with_a_line_is_asked_to_be_corrected(
    line: dict[str, Any], rule: str, source: Source
) -> None:
    model = ScriptedModel(changed(**line), GOOD)
    written = await write(model, source, Wishes("popular", "ja", 3, (Role(name="ナレーター"),)))
    assert written.script.complaints == ()
    assert "line 13: " in model.requests[1].prompt
    kept = await write(ScriptedModel(changed(**line), changed(**line)), source, WISHES_WITH_CAST)
    assert rule in rules(kept.script)


WISHES_WITH_CAST = Wishes("popular", "ja", 3, (Role(name="ナレーター"),))


def test_names_and_titles_of_another_language_are_no_change_of_language() -> None:
    paper = Paper(
        title="Attention is all you need", authors=["Vaswani, A."], abstract="A Transformer is used. It is fast."
    )
    english = source_of_paper(paper)
    lines = [
        {"text": "きょうの論文は、Attention is all you need です。", "evidence": [1]},
        {"text": "BERT、GPT-4、T5、Transformerです。", "evidence": [3]},
    ]
    draft = ScriptDraft.model_validate({"title": "t", "hook": "h", "sections": [{"title": "s", "lines": lines}]})
    script = accept(draft, english, language="ja", style="popular", target_minutes=None, written_by="us")
    assert "wrong-language" not in rules(script)


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "申し訳ありませんが、できません。",
        "{",
        '{"title": "t"}',
        "[" * 5000,
        '{"a":' * 5000,
        "null",
        '"\\ud800"',
        GOOD[:-40],
    ],
)
async def test_an_answer_that_is_no_script_is_asked_for_again_and_then_said_to_be_unusable(
    garbage: str, source: Source
) -> None:
    model = ScriptedModel(garbage, garbage)
    with pytest.raises(AnswerUnusable, match="asked 2 times") as caught:
        await write(model, source, WISHES)
    assert "extractive" in caught.value.message.ja
    assert "cannot be used" in model.requests[1].prompt
    assert (await write(ScriptedModel(garbage, GOOD), source, WISHES)).script.complaints == ()


async def test_words_and_fences_around_the_json_do_no_harm(source: Source) -> None:
    written = await write(ScriptedModel(f"こちらです。\n```json\n{GOOD}\n```\n"), source, WISHES)
    assert written.rounds == 1


async def test_a_script_without_any_evidence_is_unusable(source: Source) -> None:
    draft = json.loads(GOOD)
    for section in draft["sections"]:
        for line in section["lines"]:
            line["evidence"] = []
    text = json.dumps(draft)
    model = ScriptedModel(text, text)
    with pytest.raises(AnswerUnusable):
        await write(model, source, WISHES)
    assert "No line has evidence" in model.requests[1].prompt


async def test_a_draft_that_was_paid_for_survives_an_engine_that_goes_away(source: Source) -> None:
    wrong = changed(text="候補となる遺伝子を42種類選びます。")
    gone = EngineUnavailable(ja="いません。", en="It is gone.")
    written = await write(ScriptedModel(wrong, gone), source, WISHES)
    assert rules(written.script) == ["numeral-not-in-evidence"]
    assert [note.en for note in written.notes] == ["It is gone."]
    with pytest.raises(EngineUnavailable):
        await write(ScriptedModel("{", gone), source, WISHES)


async def test_a_refusal_is_told_as_one(source: Source) -> None:
    with pytest.raises(AnswerRefused):
        await write(ScriptedModel(AnswerRefused(ja="断られました。", en="Refused.")), source, WISHES)


async def test_progress_counts_the_sections_as_they_are_written(source: Source) -> None:
    told: list[tuple[int, int]] = []
    heard: list[str] = []

    async def progress(done: int, planned: int) -> None:
        told.append((done, planned))

    async def text(piece: str) -> None:
        heard.append(piece)

    wrong = changed(text='候補となる遺伝子を"42"種類{選びます}。')
    await write(ScriptedModel(wrong, GOOD), source, WISHES, Watch(text=text), progress)
    assert told == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]
    assert "".join(heard) == wrong + GOOD


async def test_the_price_is_not_known_if_it_is_not_for_one_answer(source: Source) -> None:
    assert (await write(ScriptedModel(GOOD, cost=None), source, WISHES)).usage.cost is None


async def test_without_a_length_the_outline_decides_and_nothing_is_complained_about(source: Source) -> None:
    model = ScriptedModel(GOOD)
    written = await write(model, source, Wishes("popular", "ja"))
    assert written.script.target_minutes is None
    assert written.script.complaints == ()
    assert "Length: 2 minutes" in model.requests[0].prompt


async def test_headings_are_proposed_in_the_language_of_the_script(english_paper: Paper) -> None:
    model = ScriptedModel("{", "{")
    with pytest.raises(AnswerUnusable):
        await write(model, source_of_paper(english_paper), Wishes("news", "ja", 2))
    assert "- 背景: about" in model.requests[0].prompt


async def test_a_model_is_only_asked_in_languages_it_knows(source: Source, english_paper: Paper) -> None:
    model = ScriptedModel(languages=("en",))
    with pytest.raises(UnsupportedLanguage, match="only knows en"):
        await write(model, source, Wishes("popular", "en", 3))
    with pytest.raises(UnsupportedLanguage):
        await write(model, source_of_paper(english_paper), WISHES)


def numbers_in(text: str) -> list[int]:
    """Numbers of the sentences a task says must be covered."""
    covered = text.split("; cover ")[1].split(". No greeting", maxsplit=1)[0]
    return [int(number.strip("[] ")) for number in covered.split(",")]


class Sections:
    """Writes each section that is asked for by reading out the sentences it must cover."""

    def __init__(self, source: Source) -> None:
        self.texts = {sentence.number: sentence.text for sentence in source.sentences}

    def __call__(self, request: ChatRequest) -> str:
        if "exactly one section" in request.prompt:
            lines = [{"text": "こんにちは。", "evidence": [], "speaker": "ナレーター"}]
            section = {"title": "はじめに", "lines": lines}
            return json.dumps({"title": "題", "hook": "つかみ", "sections": [section], "tags": []})
        for number in numbers_in(request.prompt):
            assert f"[{number}] " in request.material
        told = [
            {"text": self.texts[number], "evidence": [number], "speaker": "ナレーター"}
            for number in numbers_in(request.prompt)
        ]
        return json.dumps({"title": "別の見出し", "lines": told})


def long_source() -> Source:
    text = "".join(f"眠りの指標その{n}を測定した結果、値は{n}%増加したことが示された。" for n in range(10, 210))
    return source_of_text("眠り", text)


async def test_a_source_longer_than_the_context_is_written_section_by_section() -> None:
    source = long_source()
    wishes = Wishes("popular", "ja", 12)
    plays = [Sections(source)] * 60
    model = ScriptedModel(*plays, context_tokens=5000, max_output_tokens=2500)
    told: list[tuple[int, int]] = []

    async def progress(done: int, planned: int) -> None:
        told.append((done, planned))

    written = await write(model, source, wishes, on_progress=progress)
    covered = [number for request in model.requests[1:] for number in numbers_in(request.prompt)]
    assert [line.evidence[0] for line in written.script.lines if line.grounded] == covered
    assert len(covered) == len(set(covered)) > 50
    assert set(rules(written.script)) <= {"longer-than-asked", "shorter-than-asked"}
    assert written.rounds == len(model.requests) > 3
    assert written.counted_tokens > 5000
    titles = [section.title for section in written.script.sections]
    assert titles[0] == "はじめに"
    assert len(set(titles)) == len(titles)
    assert told == [(number, len(model.requests)) for number in range(1, len(model.requests) + 1)]
    assert "Said in the script so far:\n- はじめに\n- こんにちは。" in model.requests[1].material
    assert "farewell" in model.requests[-1].prompt


async def test_an_answer_that_was_cut_off_is_written_section_by_section(source: Source) -> None:
    model = ScriptedModel(CutAnswer(GOOD[:300]), *[Sections(source)] * 9)
    written = await write(model, source, WISHES)
    assert [note.en for note in written.notes] == [
        "It is too long for one answer, so it was written section by section."
    ]
    assert len(written.script.sections) == 5
    assert written.usage.prompt_tokens > written.counted_tokens


async def test_what_may_cost_more_than_was_agreed_to_is_not_asked_for(source: Source) -> None:
    prices = Prices(3, 15, 0.3, 3.75)
    quote = await quoted(ScriptedModel(prices=prices), source, WISHES)
    assert quote is not None
    model = ScriptedModel(GOOD, prices=prices)
    with pytest.raises(NotAgreed, match=rf"up to \${quote.most:.2f}.*nothing was spent"):
        await write(model, source, WISHES, limit=quote.most - 0.01)
    assert model.requests == []
    await write(model, source, WISHES, limit=quote.most)
    [request] = model.requests
    counted = await model.count(request)
    # What it was asked for could not have cost more, corrected or not.
    assert 2 * (counted * 3.75 + request.max_tokens * 15) / 1e6 < quote.most


async def test_what_is_written_section_by_section_is_priced_so() -> None:
    prices = Prices(3, 15)
    wishes = Wishes("popular", "ja", 60)
    quote = await quoted(ScriptedModel(prices=prices), long_source(), wishes)
    assert quote is not None
    model = ScriptedModel(*[Sections(long_source())] * 99, prices=prices)
    await write(model, long_source(), wishes)
    assert len(model.requests) > 3
    # Each could have answered as long as it was allowed to, and have been asked for again.
    asked_for = sum([await model.count(request) * 3 + request.max_tokens * 15 for request in model.requests]) / 1e6
    assert quote.about < asked_for
    assert 2 * asked_for < quote.most < 3 * asked_for


async def test_a_model_of_short_answers_has_a_price_too(source: Source) -> None:
    usual = await quoted(ScriptedModel(prices=Prices(3, 15)), source, WISHES)
    short = await quoted(ScriptedModel(prices=Prices(3, 15), max_output_tokens=256), source, WISHES)
    assert usual is not None
    assert short is not None
    assert short.about > usual.about  # it reads the rules again for every piece


async def test_an_answer_that_was_cut_off_is_not_followed_by_more_than_was_agreed_to(source: Source) -> None:
    prices = Prices(3, 15)
    quote = await quoted(ScriptedModel(prices=prices), source, WISHES)
    assert quote is not None
    model = ScriptedModel(CutAnswer(GOOD[:300]), prices=prices)  # which cost 0.25
    with pytest.raises(NotAgreed, match=r"was cut off \(\$0\.25\)"):
        await write(model, source, WISHES, limit=quote.most)
    assert len(model.requests) == 1


async def test_what_is_free_has_no_price(source: Source) -> None:
    assert await quoted(ScriptedModel(), source, WISHES) is None
    assert (await write(ScriptedModel(GOOD), source, WISHES, limit=0)).rounds == 1


async def test_a_section_that_is_wrong_is_corrected_alone(source: Source) -> None:
    plain = Sections(source)

    def wrong(request: ChatRequest) -> str:
        return plain(request).replace("24", "42")

    model = ScriptedModel(CutAnswer("{"), plain, wrong, *[plain] * 9)
    # The correction quotes the section's own draft; it is played by the section's own text.
    model.plays[3] = lambda request: plain(ChatRequest(request.turns[0].text, material=request.material))
    written = await write(model, source, WISHES)
    assert "line 3: The number 42" in model.requests[3].prompt
    assert set(rules(written.script)) <= {"shorter-than-asked"}


async def test_a_context_without_room_for_a_sentence_is_the_callers_problem() -> None:
    with pytest.raises(InvalidInput, match="context"):
        await write(ScriptedModel(context_tokens=700), long_source(), Wishes("popular", "ja", 12))


async def test_a_correction_that_has_no_room_is_left_out(source: Source) -> None:
    wrong = changed(text="候補となる遺伝子を42種類選びます。")
    counted = (await write(ScriptedModel(GOOD), source, WISHES)).counted_tokens
    tight = ScriptedModel(wrong, context_tokens=counted + 2500)
    assert rules((await write(tight, source, WISHES)).script) == ["numeral-not-in-evidence"]


def test_the_composer_gives_its_lines_to_the_cast(source: Source) -> None:
    cast = (Role(name="博士", voice="mei"), Role(name="ミナ"), Role(name="ケン"))
    script = compose(source, "dialogue", "ja", cast=cast)
    assert script.cast == cast
    assert script.complaints == ()
    assert {line.speaker for line in script.lines if line.grounded} == {"博士"}
    others = [line.speaker for line in script.lines if line.speaker != "博士"]
    assert others == (["ミナ", "ケン"] * len(others))[: len(others)]
    alone = compose(source, "popular", "ja", cast=cast[:1])
    assert {line.speaker for line in alone.lines} == {"博士"}


def test_two_roles_of_one_name_are_refused(source: Source) -> None:
    script = compose(source, "popular", "ja").model_dump()
    with pytest.raises(ValueError, match="two roles are called A"):
        Script.model_validate(script | {"cast": [{"name": "A"}, {"name": " A "}]})
    with pytest.raises(ValueError, match="at most 4"):
        Script.model_validate(script | {"cast": [{"name": str(n)} for n in range(5)]})


def test_scripts_stored_before_there_were_casts_are_read(source: Source) -> None:
    script = compose(source, "popular", "ja")
    stored = json.loads(script.model_dump_json(exclude={"cast"}))
    assert Script.model_validate_json(json.dumps(stored)) == script


class _Key:
    async def get(self, name: SecretName) -> Secret | None:
        return Secret("sk-test", "CLAUDE_API_KEY")


async def test_claude_writes_the_script_over_its_own_api(source: Source) -> None:
    wrong = changed(text="この仮説をもとに、候補となる遺伝子を42種類選びます。")
    pieces = [wrong[start : start + 200] for start in range(0, len(wrong), 200)]
    async with messages_server(says(*pieces), says(GOOD, usage=(100, 1000, 0, 900))) as server:
        settings = ClaudeServer(url=server.url)
        claude = Claude(settings, _Key(), Egress(Outgoing()), Backend("claude", parallel=1, deadline=60))
        try:
            written = await write(claude, source, WISHES)
        finally:
            await claude.close()
    assert written.script.complaints == ()
    assert written.script.engine == "claude/claude-sonnet-5-5"
    assert written.counted_tokens == 1234
    assert written.usage.cached_tokens == 1000
    first, second = (request.body for request in server.chats)
    assert RULES in str(first["system"])
    assert "schema" in str(first["output_config"])
    assert first["messages"][0] == second["messages"][0]
    assert [message["role"] for message in second["messages"]] == ["user", "assistant", "user"]


@pytest.mark.slow
async def test_llama_cpp_keeps_the_schema_of_a_script(models_dir: Path) -> None:
    [weights] = (models_dir / "smollm2-135m-instruct").glob("*.gguf")
    model = LlamaCpp("smollm2", lambda: weights, context_tokens=1024, deadline=100, threads=1)
    schema = wire_schema(ScriptDraft, ["Narrator"], without={"description"})
    try:
        answer = await model.chat(ChatRequest("Write about sleep.", system=RULES, json_schema=schema, max_tokens=24))
    finally:
        await model.close()
    assert re.match(r'\{\s*"title"\s*:\s*"', answer.text)
