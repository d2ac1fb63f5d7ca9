"""Whom a source can be explained to, and what a client's own model is told to explain it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from hybrid_mcp.languages import Bilingual, Language
from hybrid_mcp.script import untrusted
from hybrid_mcp.script.model import Style
from hybrid_mcp.script.prompting import material
from hybrid_mcp.script.rules import IS_MATERIAL
from hybrid_mcp.script.source import Source


@dataclass(frozen=True, slots=True)
class Audience:
    """Somebody to explain to, and the style a script for them is told in."""

    name: Bilingual
    style: Style


AUDIENCES = (
    Audience(Bilingual(ja="10歳の子ども", en="a child of ten"), "kids"),
    Audience(Bilingual(ja="中学生", en="a pupil of thirteen"), "educational"),
    Audience(Bilingual(ja="高校生", en="a high-school student"), "educational"),
    Audience(Bilingual(ja="大学の新入生", en="a first-year student"), "educational"),
    Audience(Bilingual(ja="隣の分野の研究者", en="a researcher of a neighbouring field"), "academic"),
    Audience(Bilingual(ja="同じ分野の研究者", en="a researcher of the same field"), "academic"),
    Audience(Bilingual(ja="患者とその家族", en="patients and their families"), "popular"),
    Audience(Bilingual(ja="学校の先生", en="a school teacher"), "educational"),
    Audience(Bilingual(ja="記者", en="a journalist"), "news"),
    Audience(Bilingual(ja="投資家", en="an investor"), "news"),
    Audience(Bilingual(ja="政策をつくる人", en="a policy maker"), "news"),
)
"""Proposals; an audience may be any words."""

_EXPLAIN = Bilingual(
    ja="""研究を「{audience}」に説明してください。

1. 出典に書かれていることだけを言います。たとえ話は「たとえば」と断り、事実を足しません。
2. 数値・単位・固有名は出典の書き方のままにします。丸めたり、換算したりしません。
3. 事実を述べる文の終わりに、もとにした出典の文の番号を [4] のように付けます。
4. 相手の知らない言葉は使わないか、その場で言い換えます。相手が知っていることは説明しません。
5. わかっていないことは、わかっていないと言います。この相手が知りたいはずなのに出典にないこと (対象の数、限界、費用、
   いつ使えるかなど) は、「出典には書かれていません」と述べ、推測しません。
6. {rule}

{source}

日本語で、次の順に、全体で 600 字くらいにまとめてください: 一言でいうと / 何をどう調べたか / わかったこと /
まだわからないこと / この相手にとっての意味 (出典が言う範囲で)。

そのあとで、これを音声の台本にするかどうかを利用者にたずねてください。望まれたら、{style}、プロンプト write_script
(source_id="{source_id}") の決まりで台本を書いて save_script (source_id="{source_id}"、language="{language}") に渡すか、
論文を generate_script に渡してください。どちらでも、返った script_id を synthesize_voice に渡すと音声と字幕になります。""",
    en="""Explain the research to: {audience}.

1. Say only what the source says. Mark a comparison as one ("imagine …"); it adds no fact.
2. Keep figures, units and names as the source writes them: no rounding, no conversion.
3. End every sentence that states a fact with the number of the source sentence it rests on, like [4].
4. Use no word they do not know, or say at once what it means. Do not explain what they know.
5. Say what is not known. Where the source lacks what they would ask (how many were studied, limits, cost, when it can
   be used …), say "the source does not say" and do not guess.
6. {rule}

{source}

Write in English, about 350 words, in this order: in one sentence / what was studied, and how / what was found /
what is not known / what it means to them, as far as the source says.

Then ask the user whether to make a narrated script of it. If so, {style}: write it by the rules of the prompt
write_script (source_id="{source_id}") and hand it to save_script (source_id="{source_id}", language="{language}"), or
give the paper to generate_script. Either way synthesize_voice turns the script_id into sound and subtitles.""",
)
_STYLE = Bilingual(ja='style="{}" で', en='use style="{}"')
_STYLES = Bilingual(ja="style を {} から相手に合わせて選び", en="choose the style that fits them from {}")


def explaining_prompt(source: Source, audience: str, language: Language) -> str:
    """What to tell a client's own model so that it explains `source` to `audience`, in `language`."""
    wanted = untrusted.plain(audience).casefold()
    fitting = [one.style for one in AUDIENCES if wanted in (one.name.ja.casefold(), one.name.en.casefold())]
    style = (
        _STYLE.in_(language).format(*fitting) if fitting else _STYLES.in_(language).format(", ".join(get_args(Style)))
    )
    return _EXPLAIN.in_(language).format(
        audience=untrusted.defused(audience),
        rule=IS_MATERIAL.in_(language),
        source=material(source, frozenset(untrusted.suspects(source))),
        style=style,
        source_id=source.id,
        language=language,
    )
