import itertools
from typing import get_args

import pytest

from hybrid_mcp.errors import InvalidInput
from hybrid_mcp.script.compose import compose, outline
from hybrid_mcp.script.evidence import numerals
from hybrid_mcp.script.frames import FRAMES
from hybrid_mcp.script.model import Paper, Script, Style
from hybrid_mcp.script.roles import roles
from hybrid_mcp.script.sentences import sentences
from hybrid_mcp.script.source import source_of_paper, source_of_text, writable

STYLES = get_args(Style)


def japanese(paper: Paper, style: Style = "popular", minutes: float | None = None) -> Script:
    return compose(source_of_paper(paper), style, "ja", minutes)


@pytest.mark.parametrize(("style", "language"), list(itertools.product(STYLES, ["ja", "en"])))
def test_every_style_gives_a_script_without_complaints(
    style: Style, language: str, japanese_paper: Paper, english_paper: Paper
) -> None:
    paper = japanese_paper if language == "ja" else english_paper
    script = compose(source_of_paper(paper), style, language, None)  # type: ignore[arg-type]
    assert script.complaints == ()
    assert script.grounded_share > 0.6
    assert script.hook in {line.text for line in script.lines}
    assert [chapter.title for chapter in script.chapters] == [section.title for section in script.sections]
    assert script.chapters[0].start == 0
    assert len({line.id for line in script.lines}) == len(script.lines)


def test_the_same_wish_gives_the_same_script(japanese_paper: Paper) -> None:
    assert japanese(japanese_paper) == japanese(japanese_paper)
    assert japanese(japanese_paper).id != japanese(japanese_paper, "news").id


def test_spans_are_verbatim(japanese_paper: Paper) -> None:
    script = japanese(japanese_paper)
    for line in script.lines:
        for span in line.spans:
            assert span in (japanese_paper.abstract, japanese_paper.title, "2006", "高橋和利, 山中伸弥") or (
                span in japanese_paper.abstract
            )


def test_the_id_of_a_line_survives_a_change_elsewhere(japanese_paper: Paper) -> None:
    changed = japanese_paper.model_copy(update={"abstract": japanese_paper.abstract.replace("意外なことに、", "")})
    before = {line.text: line.id for line in japanese(japanese_paper, "educational").lines}
    after = {line.text: line.id for line in japanese(changed, "educational").lines}
    same = before.keys() & after.keys()
    assert len(same) > 10
    assert all(before[text] == after[text] for text in same)


def test_abstracts_are_told_apart_by_their_parts(japanese_paper: Paper, english_paper: Paper) -> None:
    told = roles(sentences(japanese_paper.abstract, "ja"), "ja")
    assert told[0] == "background"
    assert told[4] == "result"
    assert told[-2] == "conclusion"
    assert "aim" in told
    assert roles(sentences(english_paper.abstract, "en"), "en")[-1] == "conclusion"


def test_popular_japanese_is_polite_and_speaks_of_the_team(japanese_paper: Paper) -> None:
    grounded = [line.text for line in japanese(japanese_paper, "educational").lines if line.grounded]
    assert not [
        text
        for text in grounded
        if text.endswith(("た。", "る。", "い。")) and not text.endswith(("ました。", "でした。"))
    ]
    assert not [text for text in grounded if "著者ら" in text or "本研究" in text]


def test_academic_keeps_the_words_of_the_source(japanese_paper: Paper) -> None:
    texts = {line.text for line in japanese(japanese_paper, "academic").lines}
    assert sum(sentence in texts for sentence in sentences(japanese_paper.abstract, "ja")) >= 10


def test_news_tells_the_result_first(japanese_paper: Paper) -> None:
    titles = [section.title for section in japanese(japanese_paper, "news").sections]
    assert titles.index("結果") < titles.index("背景")


def test_a_dialogue_has_two_speakers(japanese_paper: Paper) -> None:
    script = japanese(japanese_paper, "dialogue")
    assert {line.speaker for line in script.lines} == {"聞き手", "解説"}
    assert all(line.speaker == "解説" for line in script.lines if line.grounded)


def test_a_shorter_target_tells_less_and_stays_near_it(japanese_paper: Paper) -> None:
    short, whole = japanese(japanese_paper, minutes=1.5), japanese(japanese_paper, "educational")
    assert short.planned_seconds < whole.planned_seconds
    assert short.planned_seconds <= 1.1 * 90


def test_a_longer_target_is_not_padded_but_said(japanese_paper: Paper) -> None:
    script = japanese(japanese_paper, minutes=30)
    [complaint] = script.complaints
    assert complaint.rule == "shorter-than-asked"
    assert "full_text" in complaint.en
    assert script.planned_seconds < 300


def test_full_text_makes_it_longer(japanese_paper: Paper) -> None:
    body = "".join(f"細胞の性質その{n}を調べた結果、指標{n}は{n}%増加した。" for n in range(2, 80))
    longer = japanese(japanese_paper.model_copy(update={"full_text": japanese_paper.abstract + body}), minutes=6)
    assert longer.complaints == ()
    assert 0.9 * 360 <= longer.planned_seconds <= 1.1 * 360


def test_a_sentence_that_points_back_brings_the_one_before_it() -> None:
    text = "深層学習は画像を分類する。このモデルは精度90%を達成した。天気は晴れであった。" * 1
    plan = outline(source_of_text("深層学習", text), "popular", "ja", None)
    told = [number for section in plan.sections for number in section.sentences]
    assert 3 not in told or 2 in told


def test_asides_and_citations_are_left_out_when_told() -> None:
    text = "海馬は記憶に関わる（Smith et al., 2020）。睡眠（平均7時間）は記憶を固める[12]。"
    lines = [line.text for line in compose(source_of_text("記憶", text), "dialogue", "ja").lines]
    assert "海馬は記憶に関わります。" in lines
    assert "睡眠は記憶を固めます。" in lines


def test_quoting_cannot_translate_and_says_what_can() -> None:
    source = source_of_text("Sleep", "Sleep matters. It helps memory.")
    with pytest.raises(InvalidInput, match="write_script"):
        writable(source, "ja")
    assert writable(source, None) == "en"


def test_a_title_and_content_make_a_script_too() -> None:
    script = compose(
        source_of_text("AI技術の最新動向", "生成AIが広がった。企業の40%が導入した。今後も拡大が期待される。"),
        "popular",
        "ja",
    )
    assert "「AI技術の最新動向」" in script.lines[1].text + script.lines[2].text
    assert script.sources == ("AI技術の最新動向",)


def test_frames_carry_no_figures_and_exist_for_every_style() -> None:
    for language, frames in FRAMES.items():
        assert set(frames) == set(STYLES)
        for frame in frames.values():
            words = [frame.greeting, frame.farewell, *(part.lead for part in frame.parts)]
            assert not [text for text in words if numerals(text)], language


def test_the_description_has_chapters_source_and_tags(japanese_paper: Paper) -> None:
    script = japanese(japanese_paper)
    assert "0:00 はじめに" in script.description
    assert "10.1016/j.cell.2006.07.024" in script.description
    assert "#線維芽細胞" in script.description
