from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from typing import Any

import pytest

from hybrid_mcp.episode.report import AudioEmbed, report
from hybrid_mcp.episode.timeline import ChapterCue, Timeline
from hybrid_mcp.languages import Language
from hybrid_mcp.script.model import Complaint, Line, Script, Section, SourceSentence
from hybrid_mcp.tts.interface import LineCue, PhraseCue

RATE = 48_000
SOURCE = (
    SourceSentence(number=1, text="Fungal panels in cold houses", origin="title"),
    SourceSentence(number=2, text="We followed 1,024 houses over 2 winters.", origin="abstract"),
    SourceSentence(number=3, text="Heat loss fell by 62% <p & q>.", origin="abstract"),
)
PAPER = "https://doi.org/10.1234/panels"
EVIL = "</script><img src=x onerror=alert(1)>\"'"


def line(name: str, speaker: str, text: str, *evidence: int, spoken: str = "") -> Line:
    spans = tuple(SOURCE[number - 1].text for number in evidence)
    return Line(id=name, speaker=speaker, text=text, spoken=spoken or text, evidence=evidence, spans=spans)


HELLO = line("a", "ずんだもん", "こんにちは。")
HOUSES = line("b", "四国めたん", "1024 軒をふた冬。", 2, spoken="千二十四軒をふた冬。")
HEAT = line("c", "ずんだもん", "熱は 62% 減り、1024 軒で確かめた。", 3, 2)
SCRIPT = Script(
    id="script-0",
    title="菌糸の断熱材",
    hook="北海道の冬に耐えるか。",
    language="ja",
    style="dialogue",
    engine="extractive/1",
    target_minutes=1,
    planned_seconds=9,
    sections=(Section(title="はじめに", lines=(HELLO, HOUSES)), Section(title="結果", lines=(HEAT, HELLO))),
    chapters=(),
    sources=(f"Sato (2025). Fungal panels. {PAPER}.",),
    description="説明の一行目。\n二行目。",
    tags=("断熱", "菌糸"),
    grounded_share=0.999,
    complaints=(
        Complaint(line="b", rule="numeral", ja="「1024」を確かめて。", en="Check “1024”."),
        Complaint(line=None, rule="length", ja="短すぎます。", en="Too short."),
        Complaint(line="gone", rule="stale", ja="前の行について。", en="About a former line."),
    ),
    source=SOURCE,
    source_id="source-0",
)


def timeline_of(lines: Sequence[Line], *, chapters: tuple[ChapterCue, ...] = ()) -> Timeline:
    cues = []
    for at, said in enumerate(lines):
        start, end = at * 5 * RATE + RATE // 10, at * 5 * RATE + 4 * RATE
        phrases = (PhraseCue(said.text, start, end),)
        cues.append(LineCue(said.id, said.speaker, "voice", said.text, start, end, phrases))
    return Timeline(RATE, len(lines) * 5 * RATE, tuple(cues), chapters)


CHAPTERS = (ChapterCue("はじめに", 0), ChapterCue("結果", 10 * RATE))
TIMELINE = timeline_of(SCRIPT.lines, chapters=CHAPTERS)


def page(
    script: Script | None = SCRIPT,
    timeline: Timeline = TIMELINE,
    language: Language = "ja",
    audio: AudioEmbed | None = None,
    *,
    files: Sequence[str] = ("narration.wav", "字幕 1.srt"),
) -> str:
    return report(
        script=script,
        timeline=timeline,
        peaks=[abs(math.sin(at / 7)) for at in range(1000)],
        audio=audio or AudioEmbed(data=b"OggS", mime="audio/ogg"),
        credits=("VOICEVOX:ずんだもん",),
        voices=("ずんだもん", "四国めたん"),
        engine="VOICEVOX 0.25.2",
        files=files,
        language=language,
    )


class Page(HTMLParser):
    """What a browser would see: elements in order, and the words inside each element with an id."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: dict[str, str] = {}
        self._open: list[tuple[str, str]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in ("meta", "link", "img", "br"):
            self._open.append((tag, dict(attrs).get("id") or ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        for tag, name in self._open:
            for key in (name, f"<{tag}>"):
                self.words[key] = self.words.get(key, "") + data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def links_in(self, html_id: str) -> list[str]:
        """The links after the element with this id and before the next of its kind."""
        at = next(n for n, (_, attributes) in enumerate(self.elements) if attributes.get("id") == html_id)
        found = []
        for tag, attributes in self.elements[at + 1 :]:
            if "id" in attributes:
                break
            if tag == "a":
                found.append(attributes["href"])
        return found


@pytest.mark.parametrize("audio", [None, AudioEmbed(href="narration.wav")])
def test_the_page_loads_nothing_from_anywhere_else(audio: AudioEmbed | None) -> None:
    seen = Page(page(audio=audio))
    assert {tag for tag, _ in seen.elements}.isdisjoint({"link", "img", "iframe", "object", "embed", "base", "form"})
    for tag, attributes in seen.elements:
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        for name in ("src", "href", "xlink:href", "srcset", "data", "poster"):
            if tag != "a" and name in attributes:
                assert re.match(r"#|data:audio/ogg;base64,|narration\.wav$", attributes[name])
    assert [link["href"] for link in seen.all("a") if "//" in link["href"]] == [PAPER]
    assert "url(" not in seen.words["<style>"].replace("url(#", "")
    assert "@import" not in seen.words["<style>"]


def test_the_policy_allows_our_style_our_script_and_the_sound_only() -> None:
    policy = next(meta["content"] for meta in Page(page()).all("meta") if "http-equiv" in meta)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "media-src data:;" in policy
    assert "unsafe" not in policy
    beside = next(
        meta["content"] for meta in Page(page(audio=AudioEmbed(href="a.wav"))).all("meta") if "content" in meta
    )
    assert "data:" not in beside


def test_a_file_beside_the_page_cannot_be_an_address_on_another_machine() -> None:
    seen = Page(
        page(files=("javascript:alert(1)", "https://x.example/a"), audio=AudioEmbed(href="https://x.example/a"))
    )
    assert seen.all("audio")[0]["src"] == "https%3A//x.example/a"
    assert {"javascript%3Aalert%281%29", "https%3A//x.example/a"} <= {link["href"] for link in seen.all("a")}


def test_what_others_wrote_is_text_and_never_markup() -> None:
    def poisoned(value: Any) -> Any:
        match value:
            case dict():
                kept = ("id", "language", "style", "origin", "line", "speaker")
                return {key: item if key in kept else poisoned(item) for key, item in value.items()}
            case list() | tuple():
                return tuple(poisoned(item) for item in value)
            case str():
                return value + EVIL
            case _:
                return value

    script = Script.model_validate(poisoned(SCRIPT.model_dump()))
    chapters = (ChapterCue(f"はじめに{EVIL}", 0),)
    html = page(script, timeline_of(script.lines, chapters=chapters), files=(EVIL,))
    seen = Page(html)
    assert not seen.all("img")
    assert len(seen.all("script")) == 2
    assert seen.words["<h1>"] == SCRIPT.title + EVIL
    assert "<img" not in html
    data = json.loads(seen.words["timeline"])
    assert data["lines"][0]["text"] == HELLO.text + EVIL


def test_every_line_stands_there_with_its_reading_and_its_evidence() -> None:
    seen = Page(page())
    for number, said in enumerate(SCRIPT.lines, 1):
        words = seen.words[f"line-{number}"]
        assert said.speaker in words
        assert said.text in words
        assert all(span in words for span in said.spans)
        assert ("つなぎ" in words) is (not said.evidence)
        assert ("読み" in words) is (said.spoken != said.text)
    assert HOUSES.spoken in seen.words["line-2"]
    assert "0:05.1" in seen.words["line-2"]


def test_numerals_a_line_shares_with_its_evidence_are_marked() -> None:
    html = page()
    assert "We followed <mark>1,024</mark> houses over 2 winters." in html
    assert "fell by <mark>62</mark>% &lt;p &amp; q&gt;." in html


def test_source_and_lines_lead_to_each_other() -> None:
    seen = Page(page())
    assert seen.links_in("line-3") == ["#line-3", "#source-3", "#source-2"]
    assert seen.links_in("source-2") == ["#line-2", "#line-3"]
    assert seen.links_in("source-1") == []
    assert "未使用" in seen.words["source-1"]
    assert "未使用" not in seen.words["source-2"]


@pytest.mark.parametrize("script", [SCRIPT, None])
def test_every_link_on_the_page_has_a_target_and_every_id_is_its_own(script: Script | None) -> None:
    seen = Page(page(script))
    ids = [attributes["id"] for _, attributes in seen.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    pointed = [attributes.get(name, "") for _, attributes in seen.elements for name in ("href", "aria-labelledby")]
    assert {link[1:] for link in pointed if link.startswith("#")} <= set(ids)
    assert {label for _, a in seen.elements if (label := a.get("aria-labelledby"))} <= set(ids)


def test_a_complaint_stands_at_its_line_and_one_about_no_line_at_the_top() -> None:
    html = page()
    seen = Page(html)
    assert "「1024」を確かめて。numeral" in seen.words["line-2"]
    header = seen.words["<header>"]
    assert "短すぎます。" in header
    assert "前の行について。" in header
    assert "「1024」" not in header
    assert '<a class="count" href="#line-2">0:05.1</a>' in html


def test_without_script_the_page_can_be_heard_and_read() -> None:
    html = re.sub(r"<script.*?</script>", "", page(), flags=re.DOTALL)
    seen = Page(html)
    assert "controls" in seen.all("audio")[0]
    assert all("open" in details for details in seen.all("details"))
    assert all(said.text in seen.words[f"line-{number}"] for number, said in enumerate(SCRIPT.lines, 1))
    # Buttons do nothing without the script, so they show only with it.
    controls = html[html.index('<div class="controls js-only">') :]
    outside = html.replace(controls[: controls.index("</div>")], "")
    assert all("js-only" in button for button in re.findall(r"<button[^>]*>", outside))
    assert "html:not(.js) .js-only { display: none !important; }" in html


def test_equal_lines_keep_their_own_times() -> None:
    seen = Page(page())
    assert "0:00.1" in seen.words["line-1"]
    assert "0:15.1" in seen.words["line-4"]
    assert [cue["row"] for cue in json.loads(seen.words["timeline"])["lines"]] == [1, 2, 3, 4]


def test_a_line_without_sound_is_shown_as_silent() -> None:
    timeline = Timeline(RATE, TIMELINE.length, TIMELINE.lines[:1] + TIMELINE.lines[2:], CHAPTERS)
    seen = Page(page(timeline=timeline))
    assert "無音" in seen.words["line-2"]
    assert "0:10.1" in seen.words["line-3"]


def test_chapters_read_like_youtube_wants_them() -> None:
    seen = Page(page())
    assert seen.words["chapter-list"].split() == ["0:00", "はじめに", "0:10", "結果"]
    assert "10 秒以上のときだけ" in seen.words["<main>"]
    long = tuple(ChapterCue(f"{at}", at * 10 * RATE) for at in range(3))
    enough = Timeline(RATE, 30 * RATE, TIMELINE.lines, long)
    assert "10 秒以上のときだけ" not in Page(page(timeline=enough)).words["<main>"]


def test_a_share_just_short_of_all_is_not_called_all() -> None:
    assert "99%" in Page(page()).words["<header>"]


def test_an_hour_is_written_with_hours() -> None:
    late = LineCue("a", "s", "v", "遅い行", 3_661 * RATE, 3_662 * RATE, ())
    seen = Page(page(None, Timeline(RATE, 3_700 * RATE, (late,))))
    assert "1:01:01.0" in seen.words["line-1"]
    assert "1:01:40" in seen.words["<header>"]


def test_plain_text_has_lines_and_no_talk_of_evidence() -> None:
    seen = Page(page(None))
    assert HEAT.text in seen.words["line-3"]
    assert not re.search("根拠|つなぎ|原文", seen.words["<body>"].replace(seen.words["<script>"], ""))


def test_nothing_to_show_is_still_a_page() -> None:
    html = report(
        script=None,
        timeline=Timeline(RATE, 0, ()),
        peaks=(),
        audio=AudioEmbed(href="narration.wav"),
        credits=(),
        voices=(),
        engine="none",
        files=(),
        language="en",
    )
    assert Page(html).words["<h1>"] == "Narration"


def test_english_labels_hold_no_japanese_and_japanese_ones_are_japanese() -> None:
    timeline = Timeline(RATE, 5 * RATE, (LineCue("a", "Ann", "v", "Hello.", 0, RATE, ()),))
    plain = page(None, timeline, "en", files=())
    # What was passed in stays as it is.
    for given in ("VOICEVOX:ずんだもん", "ずんだもん", "四国めたん"):
        plain = plain.replace(given, "")
    assert not re.search("[ぁ-んァ-ヶ一-龠]", plain)
    english, japanese = Page(page(language="en")), Page(page())
    assert english.all("html") == [{"lang": "en"}]
    assert japanese.all("html") == [{"lang": "ja"}]
    assert "framing" in english.words["line-1"]
    assert "Check “1024”." in english.words["line-2"]
    assert "not that it follows from it" in english.words["<header>"]
    assert "正しく導ける" in japanese.words["<header>"]


def test_publishing_names_credits_sources_tags_and_files() -> None:
    seen = Page(page())
    assert "VOICEVOX:ずんだもん" in seen.words["credits"]
    assert PAPER in seen.words["sources"]
    assert seen.words["description"] == SCRIPT.description
    assert seen.words["tags"] == "断熱, 菌糸"
    assert "%E5%AD%97%E5%B9%95%201.srt" in {link["href"] for link in seen.all("a")}


def test_the_same_episode_gives_the_same_page() -> None:
    assert page() == page()


def test_sound_is_either_inside_the_page_or_beside_it() -> None:
    assert AudioEmbed(data=b"abc", mime="audio/mpeg").src == "data:audio/mpeg;base64,YWJj"
    for nonsense in ({}, {"data": b"abc"}, {"data": b"a", "mime": "audio/mpeg", "href": "a.wav"}):
        with pytest.raises(ValueError, match="either data"):
            AudioEmbed(**nonsense)
