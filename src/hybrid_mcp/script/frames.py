"""What stands around the source's sentences: greetings, transitions, headings, for every style.

Frames carry no facts of their own: no figures, no claims. `{…}` are filled from the source.
"""

from __future__ import annotations

from dataclasses import dataclass

from hybrid_mcp.languages import Language
from hybrid_mcp.script.model import Style
from hybrid_mcp.script.roles import Role


@dataclass(frozen=True, slots=True)
class Part:
    """One section: its heading, the roles it gathers, and what leads into it."""

    title: str
    roles: tuple[Role, ...]
    lead: str


@dataclass(frozen=True, slots=True)
class Frame:
    """The frame of one style in one language."""

    title: str
    opening: str
    """Heading of the first section."""
    greeting: str
    hook: str
    """With two key words of the source."""
    paper: str
    """Introduces a paper; `{when}` is `published`, or empty when no year is known."""
    published: str
    """Says the `{year}`, inside `paper`."""
    content: str
    """Introduces a text that is not a paper."""
    authors: str
    honorific: str
    """Behind a Japanese name."""
    parts: tuple[Part, ...]
    farewell: str
    share: float
    """Share of the abstract that is told when no length is asked for, 0–1."""
    guide: str
    """Who speaks the frame."""
    reader: str
    """Who speaks what the source says."""


_BEFORE: tuple[Role, ...] = ("background", "aim")

_JA: dict[Style, Frame] = {
    "popular": Frame(
        title="【論文解説】{title}",
        opening="はじめに",
        greeting="こんにちは。論文を声でお届けする時間です。",
        hook="キーワードは、「{a}」と「{b}」。どんな関係があるのか、いっしょに見ていきましょう。",
        paper="今回ご紹介するのは、{when}「{title}」という論文です。",
        published="{year}年に発表された",
        content="今回のテーマは、「{title}」です。",
        authors="{authors}による研究です。",
        honorific="さん",
        parts=(
            Part("なぜ調べたのか", _BEFORE, "まずは、この研究が生まれた背景です。"),
            Part("どう調べたのか", ("method",), "では、どのように調べたのでしょうか。"),
            Part("わかったこと", ("result",), "さて、気になる結果です。"),
            Part("これからにつながること", ("conclusion",), "この研究は、何を意味するのでしょうか。"),
        ),
        farewell="いかがでしたか。くわしくは、概要欄の出典をご覧ください。",
        share=0.85,
        guide="ナレーター",
        reader="ナレーター",
    ),
    "educational": Frame(
        title="【論文で学ぶ】{title}",
        opening="この回で学ぶこと",
        greeting="この回では、ひとつの論文を順を追って読んでいきます。",
        hook="押さえておきたい言葉は、「{a}」と「{b}」です。",
        paper="題材は、{when}論文「{title}」です。",
        published="{year}年に発表された",
        content="題材は、「{title}」です。",
        authors="著者は、{authors}です。",
        honorific="さん",
        parts=(
            Part("背景", ("background",), "はじめに、背景を確認しましょう。"),
            Part("目的", ("aim",), "次に、この研究の目的です。"),
            Part("方法", ("method",), "続いて、方法を見ていきます。どうやって確かめたのかに注目してください。"),
            Part("結果", ("result",), "それでは、結果です。数字に注意して聞いてみましょう。"),
            Part("まとめと意義", ("conclusion",), "最後に、結果から何が言えるのかをまとめます。"),
        ),
        farewell="ここまで、順を追って読んできました。出典は概要欄にあります。原文にもあたってみてください。",
        share=1.0,
        guide="講師",
        reader="講師",
    ),
    "academic": Frame(
        title="【論文紹介】{title}",
        opening="書誌",
        greeting="論文の要旨を紹介する。",
        hook="主題は「{a}」および「{b}」である。",
        paper="対象とする論文は、{when}「{title}」である。",
        published="{year}年に発表された",
        content="対象とする文章は、「{title}」である。",
        authors="著者は{authors}である。",
        honorific="",
        parts=(
            Part("背景と目的", _BEFORE, "背景と目的は以下のとおりである。"),
            Part("方法", ("method",), "方法を述べる。"),
            Part("結果", ("result",), "結果を述べる。"),
            Part("考察と結論", ("conclusion",), "考察と結論を述べる。"),
        ),
        farewell="以上が要旨である。詳細は出典を参照されたい。",
        share=1.0,
        guide="ナレーター",
        reader="ナレーター",
    ),
    "news": Frame(
        title="【研究ニュース】{title}",
        opening="ヘッドライン",
        greeting="研究ニュースをお伝えします。",
        hook="「{a}」と「{b}」に関する研究です。",
        paper="論文「{title}」が、{when}発表されています。",
        published="{year}年に",
        content="話題は、「{title}」です。",
        authors="研究を行ったのは、{authors}です。",
        honorific="さん",
        parts=(
            Part("結果", ("result", "conclusion"), "主な結果です。"),
            Part("背景", _BEFORE, "研究の背景です。"),
            Part("方法", ("method",), "研究の方法です。"),
        ),
        farewell="以上、研究ニュースでした。出典は概要欄に掲載しています。",
        share=0.75,
        guide="キャスター",
        reader="キャスター",
    ),
    "dialogue": Frame(
        title="【対話で読む論文】{title}",
        opening="きょうの論文",
        greeting="こんにちは。きょうも論文を一本、教えてください。",
        hook="キーワードは「{a}」と「{b}」です。順番に見ていきましょう。",
        paper="きょうは、{when}「{title}」という論文です。",
        published="{year}年に発表された",
        content="きょうは、「{title}」についてお話しします。",
        authors="{authors}の研究です。",
        honorific="さん",
        parts=(
            Part("どうしてこの研究を", _BEFORE, "そもそも、どうしてこの研究が行われたのですか。"),
            Part("どうやって調べたの", ("method",), "なるほど。では、どうやって調べたのでしょう。"),
            Part("何がわかったの", ("result",), "それで、何がわかったのですか。"),
            Part("だから、どうなるの", ("conclusion",), "つまり、この研究から何が言えるのでしょうか。"),
        ),
        farewell="よくわかりました。くわしく知りたい方は、概要欄の出典をご覧ください。",
        share=1.0,
        guide="聞き手",
        reader="解説",
    ),
    "kids": Frame(
        title="【こども科学】{title}",
        opening="はじまり、はじまり",
        greeting="みんな、こんにちは。きょうは、けんきゅうのお話だよ。",
        hook="おぼえてほしいことばは、「{a}」と「{b}」。さあ、いっしょに聞いてみよう。",
        paper="お話のもとになったのは、{when}「{title}」という論文です。",
        published="{year}年に発表された",
        content="きょうのお話は、「{title}」です。",
        authors="しらべたのは、{authors}です。",
        honorific="さん",
        parts=(
            Part("どうしてしらべたの？", _BEFORE, "どうして、しらべようと思ったのかな。"),
            Part("どうやってしらべたの？", ("method",), "どうやって、しらべたのかな。"),
            Part("なにがわかったの？", ("result",), "さあ、なにがわかったのかな。"),
            Part("これからどうなるの？", ("conclusion",), "これから、どんなことにつながるのかな。"),
        ),
        farewell="きょうのお話は、ここまで。むずかしいことばは、おうちの人といっしょにしらべてみてね。",
        share=0.6,
        guide="おねえさん",
        reader="おねえさん",
    ),
}

_EN: dict[Style, Frame] = {
    "popular": Frame(
        title="{title}, explained",
        opening="Welcome",
        greeting="Hello, and welcome. Here is a piece of research, read for you.",
        hook="Keep these words in mind: {a}, and {b}.",
        paper='Today\'s paper is called "{title}"{when}.',
        published=", published in {year}",
        content='Today\'s topic is "{title}".',
        authors="It is the work of {authors}.",
        honorific="",
        parts=(
            Part("Why it was done", _BEFORE, "So why was this study done?"),
            Part("How it was done", ("method",), "How did they go about it?"),
            Part("What was found", ("result",), "And what did they find?"),
            Part("What it means", ("conclusion",), "What does it all mean?"),
        ),
        farewell="Thanks for listening. You will find the source in the description.",
        share=0.85,
        guide="Narrator",
        reader="Narrator",
    ),
    "educational": Frame(
        title="Learning from a paper: {title}",
        opening="In this lesson",
        greeting="In this lesson we read one paper, step by step.",
        hook="The terms to remember are {a} and {b}.",
        paper='Our material is the paper "{title}"{when}.',
        published=", published in {year}",
        content='Our material is "{title}".',
        authors="It was written by {authors}.",
        honorific="",
        parts=(
            Part("Background", ("background",), "Let us start with the background."),
            Part("Aim", ("aim",), "Next, the aim of the study."),
            Part("Method", ("method",), "Now the method. Notice how the question is tested."),
            Part("Results", ("result",), "Here are the results. Listen for the numbers."),
            Part("What follows", ("conclusion",), "Finally, what can be said from these results?"),
        ),
        farewell="That was our reading, step by step. The source is in the description; do read it.",
        share=1.0,
        guide="Teacher",
        reader="Teacher",
    ),
    "academic": Frame(
        title="Paper summary: {title}",
        opening="Reference",
        greeting="This is a summary of a paper.",
        hook="Its subjects are {a} and {b}.",
        paper='The paper is "{title}"{when}.',
        published=", published in {year}",
        content='The text is "{title}".',
        authors="The authors are {authors}.",
        honorific="",
        parts=(
            Part("Background and aim", _BEFORE, "Background and aim."),
            Part("Method", ("method",), "Method."),
            Part("Results", ("result",), "Results."),
            Part("Discussion and conclusion", ("conclusion",), "Discussion and conclusion."),
        ),
        farewell="This concludes the summary. For details, consult the source.",
        share=1.0,
        guide="Narrator",
        reader="Narrator",
    ),
    "news": Frame(
        title="Research news: {title}",
        opening="Headline",
        greeting="This is research news.",
        hook="The subjects are {a} and {b}.",
        paper='A paper titled "{title}" is out{when}.',
        published=", published in {year}",
        content='The story is "{title}".',
        authors="The research was done by {authors}.",
        honorific="",
        parts=(
            Part("Findings", ("result", "conclusion"), "These are the main findings."),
            Part("Background", _BEFORE, "Here is the background."),
            Part("Method", ("method",), "And this is how it was done."),
        ),
        farewell="That was research news. The source is in the description.",
        share=0.75,
        guide="Anchor",
        reader="Anchor",
    ),
    "dialogue": Frame(
        title="A conversation about: {title}",
        opening="Today's paper",
        greeting="Hello! Which paper have you brought today?",
        hook="The key words are {a} and {b}. Let us take them in turn.",
        paper='Today it is "{title}"{when}.',
        published=", published in {year}",
        content='Today we talk about "{title}".',
        authors="It is by {authors}.",
        honorific="",
        parts=(
            Part("Why?", _BEFORE, "Why was this research done in the first place?"),
            Part("How?", ("method",), "I see. How did they study it?"),
            Part("What?", ("result",), "And what did they find?"),
            Part("So what?", ("conclusion",), "So what can we take from it?"),
        ),
        farewell="Thank you, that was clear. The source is in the description.",
        share=1.0,
        guide="Host",
        reader="Guide",
    ),
    "kids": Frame(
        title="Science for kids: {title}",
        opening="Hello!",
        greeting="Hello, everyone! Today there is a story from science.",
        hook="The words to remember are {a} and {b}. Are you ready?",
        paper='The story comes from a paper called "{title}"{when}.',
        published=", published in {year}",
        content='Our story is called "{title}".',
        authors="The people who did it are {authors}.",
        honorific="",
        parts=(
            Part("Why did they do it?", _BEFORE, "Why did they want to find out?"),
            Part("How did they do it?", ("method",), "How did they do it?"),
            Part("What did they find?", ("result",), "And what did they find?"),
            Part("What comes next?", ("conclusion",), "What could come next?"),
        ),
        farewell="That is all for today. Ask a grown-up about any word you do not know!",
        share=0.6,
        guide="Narrator",
        reader="Narrator",
    ),
}

FRAMES: dict[Language, dict[Style, Frame]] = {"ja": _JA, "en": _EN}
