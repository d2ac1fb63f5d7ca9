import itertools
import re
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
from hybrid_mcp.script.telling import told

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


def test_nobody_in_a_dialogue_answers_themselves(japanese_paper: Paper) -> None:
    lines = japanese(japanese_paper, "dialogue").lines
    assert len({line.speaker for line in lines[:3]}) == 2
    assert not [
        line.text
        for before, line in itertools.pairwise(lines)
        if before.speaker == line.speaker and "はい。" in line.text
    ]


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


def told_of(text: str, style: Style = "popular", *, paper: bool = True, follows: bool = False) -> str:
    source = source_of_paper(Paper(title="題", authors=[], abstract=text)) if paper else source_of_text("題", text)
    language = "ja" if source.language == "ja" else "en"
    return told(text, style, language, follows=follows, source=source)  # type: ignore[arg-type]


def lines_of(paper: Paper, style: Style, language: str) -> list[str]:
    return [line.text for line in compose(source_of_paper(paper), style, language).lines]  # type: ignore[arg-type]


def test_the_whole_share_tells_every_sentence() -> None:
    body = [f"指標{n}を調べた結果、値は{n / 7:.3f}%増加した。" for n in range(1, 60)]
    plan = outline(source_of_text("指標", "".join(body)), "educational", "ja")
    assert sum(len(section.sentences) for section in plan.sections) == 59


@pytest.mark.parametrize(
    "part",
    [
        "(1.5 ± 0.2) × 10⁹",
        "Na2Fe(SO4)2",
        "Ca(OH)₂",
        "Fe(III)",
        "YSZ(100)",
        "f(x)",
        "β-(1→3)-グルカン",
        "3.028(23)%",
        "(a)では鉄を、(b)",
        "試料（ただし鉄を除く）",
        "菌（または酵母）",
        "幹細胞（iPS細胞）と名づけた細胞",
    ],
)
def test_brackets_that_mean_something_stay(part: str) -> None:
    assert part in told_of(f"値は{part}で測定した。")


def test_statistics_are_for_those_who_learn() -> None:
    text = "死亡は有意に減少した（HR 0.72, 95%CI 0.6–0.8, p < 0.01）。"
    assert "HR 0.72" in told_of(text, "educational")
    assert "HR 0.72" in told_of(text, "academic")
    assert told_of(text, "popular") == "死亡は有意に減少しました。"


@pytest.mark.parametrize(
    "citation",
    [
        "（Smith et al., 2020）",
        "（田中ら, 2019）",
        "[12]",
        "[3,4]",
        "[1–3]",
        "（図1）",
        "(Fig. 2)",
        "（Ito & Sato 2019）",
    ],
)
def test_citations_are_not_told(citation: str) -> None:
    assert told_of(f"睡眠は記憶を固める{citation}。", "academic") == "睡眠は記憶を固める。"


@pytest.mark.parametrize("aside", ["(n = 2048)", "(NGC 1365)", "（2019年4月）", "(May 2020)", "（表面）", "[0,1]"])
def test_years_alone_are_no_citations(aside: str) -> None:
    assert aside in told_of(f"銀河{aside}を調べた。", "academic")


def test_only_authors_of_papers_become_a_team() -> None:
    assert told_of("私たちはマウスを調べた。") == "研究チームはマウスを調べました。"
    assert told_of("私たちは毎晩眠る。", paper=False) == "私たちは毎晩眠ります。"
    assert told_of("私たちの睡眠は短い。") == "私たちの睡眠は短いです。"
    assert told_of("本手法は日本研究に使える。") == "この手法は日本研究に使えます。"
    assert told_of("Methods: We tested mice.") == "The authors tested mice."
    assert told_of("We all sleep.", paper=False) == "We all sleep."


@pytest.mark.parametrize("connective", ["そこで", "ただ、", "逆に、", "実際、", "しかし、"])
def test_connectives_need_the_sentence_before(connective: str) -> None:
    text = f"{connective}本研究では眠りを調べた。"
    assert told_of(text) == "この研究では眠りを調べました。"
    assert told_of(text, follows=True).startswith(connective)
    assert told_of("First experiments failed.") == "First experiments failed."


def test_what_points_back_stays_with_what_it_points_at() -> None:
    text = "従来、眠りの役割は不明であった。眠りを測定した。これは有意に増加したことを示した。"
    for style in STYLES:
        plan = outline(source_of_text("眠り", text), style, "ja", 5)
        assert [section for section in plan.sections if {3, 4} & set(section.sentences)] == [
            section for section in plan.sections if {3, 4} <= set(section.sentences)
        ]


def test_a_question_is_told_with_its_answer() -> None:
    text = "なぜ眠るのか。" + "記憶を固めるためである。" + "眠りの時間を測定した結果、増加した。" * 3
    for minutes in (0.3, 0.5, 0.7, 1.0, 2.0):
        plan = outline(source_of_text("眠り", text), "popular", "ja", minutes)
        numbers = {number for section in plan.sections for number in section.sentences}
        assert 2 not in numbers or 3 in numbers


@pytest.mark.parametrize(
    ("abstract", "language"),
    [
        ("【背景】眠りは短い。【方法】値は増加した。記録した。【結果】患者を用いた。【結論】短い。", "ja"),
        ("背景：眠りは短い。方法：値は増加した。記録した。結果：患者を用いた。結論：短い。", "ja"),
        ("背景\n眠りは短い。\n方法\n値は増加した。記録した。\n結果\n患者を用いた。\n結論\n短い。", "ja"),
        ("Background: Sleep is short. Methods: It rose. It fell. Results: Mice were used. Conclusions: Short.", "en"),
    ],
)
def test_labels_decide_the_parts_and_are_not_told(abstract: str, language: str) -> None:
    paper = Paper(title="題" if language == "ja" else "Sleep", authors=[], abstract=abstract)
    source = source_of_paper(paper)
    plan = outline(source, "educational", language, 5)  # type: ignore[arg-type]
    titles = (
        ["背景", "方法", "結果", "まとめと意義"]
        if language == "ja"
        else ["Background", "Method", "Results", "What follows"]
    )
    assert [section.title for section in plan.sections] == titles
    assert [len(section.sentences) for section in plan.sections] == [1, 2, 1, 1]
    for style in STYLES:
        texts = [line.text for line in compose(source, style, language, 5).lines if line.grounded]  # type: ignore[arg-type]
        assert not [
            text for text in texts if re.match(r"【|背景|方法[：:]|Background|Methods|Results|Conclusions", text)
        ]
    assert any("背景" in s.text or "Background" in s.text for s in source.sentences)


def test_pasted_junk_is_no_part_of_the_source() -> None:
    text = "眠りは大切である。記憶を\n- 12 -\n固める。\n-----\n13\n終わる。\n参考文献\n1. 田中. 眠り. 2019."
    source = source_of_text("眠り", text)
    assert [sentence.text for sentence in source.body] == ["眠りは大切である。", "記憶を固める。", "終わる。"]


@pytest.mark.parametrize(
    ("authors", "said"),
    [
        (["高橋和利", "山中伸弥"], "高橋和利さんと山中伸弥さんによる"),
        (["Jumper, J.", "高橋和利"], "J. Jumperと高橋和利さんによる"),
        (["Jumper, J.", "Evans, R.", "Green, T.", "Figurnov, M."], "J. Jumperらによる"),
        (["高橋和利", "山中伸弥", "田中一郎", "鈴木花子"], "高橋和利さんらによる"),
        (["Martin Luther King, Jr."], "Martin Luther King, Jr.による"),
    ],
)
def test_authors_are_named_as_they_are_spoken_of(authors: list[str], said: str) -> None:
    paper = Paper(title="題", authors=authors, abstract="眠りを調べた。")
    assert [text for text in lines_of(paper, "popular", "ja") if text.startswith(said)]


def test_a_farewell_names_no_part_that_may_not_exist() -> None:
    paper = Paper(title="題", authors=[], abstract="眠りを測定した。")
    assert "意義" not in lines_of(paper, "educational", "ja")[-1]


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("新しい粒子を発見した。", "result"),
        ("重力波が観測された。", "result"),
        ("移動度は45 mAを記録した。", "result"),
        ("その検証はほとんど行われていない。", "background"),
        ("その仕組みは明らかになっていない。", "background"),
    ],
)
def test_observations_are_results_and_gaps_are_background(text: str, role: str) -> None:
    neutral = "眠りは夜に訪れる。"
    place = {"background": 1, "result": 2}[role]
    texts = [neutral] * 4
    texts[place] = text
    assert roles(texts, "ja")[place] == role
