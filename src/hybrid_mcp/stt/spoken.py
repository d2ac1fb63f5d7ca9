"""Languages that can be heard, by the codes and names people write."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable

from hybrid_mcp.errors import NotFound
from hybrid_mcp.languages import Bilingual

_TABLE = """
af Afrikaans アフリカーンス語|am Amharic アムハラ語|ar Arabic アラビア語|as Assamese アッサム語
az Azerbaijani アゼルバイジャン語|ba Bashkir バシキール語|be Belarusian ベラルーシ語|bg Bulgarian ブルガリア語
bn Bengali ベンガル語|bo Tibetan チベット語|br Breton ブルトン語|bs Bosnian ボスニア語|ca Catalan カタルーニャ語
cs Czech チェコ語|cy Welsh ウェールズ語|da Danish デンマーク語|de German ドイツ語|el Greek ギリシャ語
en English 英語|es Spanish スペイン語|et Estonian エストニア語|eu Basque バスク語|fa Persian ペルシャ語
fi Finnish フィンランド語|fo Faroese フェロー語|fr French フランス語|gl Galician ガリシア語|gu Gujarati グジャラート語
ha Hausa ハウサ語|haw Hawaiian ハワイ語|he Hebrew ヘブライ語|hi Hindi ヒンディー語|hr Croatian クロアチア語
ht Haitian_Creole ハイチ語|hu Hungarian ハンガリー語|hy Armenian アルメニア語|id Indonesian インドネシア語
is Icelandic アイスランド語|it Italian イタリア語|ja Japanese 日本語|jw Javanese ジャワ語|ka Georgian ジョージア語
kk Kazakh カザフ語|km Khmer クメール語|kn Kannada カンナダ語|ko Korean 韓国語|la Latin ラテン語
lb Luxembourgish ルクセンブルク語|ln Lingala リンガラ語|lo Lao ラオ語|lt Lithuanian リトアニア語|lv Latvian ラトビア語
mg Malagasy マダガスカル語|mi Maori マオリ語|mk Macedonian マケドニア語|ml Malayalam マラヤーラム語
mn Mongolian モンゴル語|mr Marathi マラーティー語|ms Malay マレー語|mt Maltese マルタ語|my Burmese ビルマ語
ne Nepali ネパール語|nl Dutch オランダ語|nn Nynorsk ニーノシュク|no Norwegian ノルウェー語|oc Occitan オック語
pa Punjabi パンジャブ語|pl Polish ポーランド語|ps Pashto パシュトー語|pt Portuguese ポルトガル語|ro Romanian ルーマニア語
ru Russian ロシア語|sa Sanskrit サンスクリット語|sd Sindhi シンド語|si Sinhala シンハラ語|sk Slovak スロバキア語
sl Slovenian スロベニア語|sn Shona ショナ語|so Somali ソマリ語|sq Albanian アルバニア語|sr Serbian セルビア語
su Sundanese スンダ語|sv Swedish スウェーデン語|sw Swahili スワヒリ語|ta Tamil タミル語|te Telugu テルグ語
tg Tajik タジク語|th Thai タイ語|tk Turkmen トルクメン語|tl Tagalog タガログ語|tr Turkish トルコ語|tt Tatar タタール語
uk Ukrainian ウクライナ語|ur Urdu ウルドゥー語|uz Uzbek ウズベク語|vi Vietnamese ベトナム語|yi Yiddish イディッシュ語
yo Yoruba ヨルバ語|yue Cantonese 広東語|zh Chinese 中国語
"""
"""Whisper's languages. faster-whisper has only their codes."""


def _read(row: str) -> tuple[str, Bilingual]:
    code, english, japanese = row.split()
    return code, Bilingual(ja=japanese, en=english.replace("_", " "))


NAMES = dict(map(_read, re.split(r"[|\n]", _TABLE.strip())))
"""What the languages are called, by code."""

_OTHERWISE = {
    "jv": "jw",  # ISO 639-1 says jv; Whisper kept the older code
    "nb": "no",
    "iw": "he",
    "fil": "tl",
    "filipino": "tl",
    "cmn": "zh",
    "mandarin": "zh",
    "jpn": "ja",
    "eng": "en",
    "nihongo": "ja",
    "朝鮮語": "ko",
    "flemish": "nl",
    "castilian": "es",
    "valencian": "ca",
    "farsi": "fa",
    "myanmar": "my",
    "ミャンマー語": "my",
    "グルジア語": "ka",
    "haitian": "ht",
}
_CODES = {
    **{code: code for code in NAMES},
    **{name.en.casefold(): code for code, name in NAMES.items()},
    **{name.ja: code for code, name in NAMES.items()},
    **_OTHERWISE,
}
_TOLD = frozenset({"", "auto", "und", "自動"})
"""What people write when the engine shall find out; `und` is how a silent transcript's language is given."""
_LIKE = 0.55


def code_of(asked: str | None) -> str | None:
    """The code of the language meant: `ja` for ja, JA, ja-JP, Japanese and 日本語; None for None and `auto`.

    Raises:
        NotFound: nobody calls a language that; names the nearest.
    """
    written = " ".join(unicodedata.normalize("NFKC", asked or "").casefold().split())
    if written in _TOLD:
        return None
    code = _CODES.get(written) or _CODES.get(re.split(r"[-_.(]", written, maxsplit=1)[0].strip())
    if code is None:
        raise unheard(asked or "", NAMES)
    return code


def unheard(asked: str, known: Iterable[str]) -> NotFound:
    """The error that none of the languages `known` (codes) is called `asked`: with the nearest, or else ja and en."""
    written = unicodedata.normalize("NFKC", asked[:80]).casefold()
    codes = [code for code in known if code in NAMES]
    nearest = sorted(((_likeness(written, code), code) for code in codes), reverse=True)[:3]
    near = [code for likeness, code in nearest if likeness >= _LIKE] or [c for c in ("ja", "en") if c in codes]
    shown = asked if len(asked) <= 80 else asked[:77] + "…"
    ja = "、".join(f"{NAMES[code].ja} ({code})" for code in near)
    en = ", ".join(f"{NAMES[code].en} ({code})" for code in near)
    return NotFound(
        ja=f"聞き取れる言語に「{shown}」はありません。近いもの: {ja}。ja や en のような ISO 639-1 の符号か言語の名前で"
        "指定するか、省略してください (自動で判定します)。",
        en=f"There is no language to hear called {shown!r}. Nearest: {en}. Give an ISO 639-1 code such as ja or en, "
        "or a language's name, or leave it out to have it found.",
    )


def _likeness(written: str, code: str) -> float:
    """How near it comes to the code or a name, from 0 to 1 and a little more: people get the first letter right."""
    name = NAMES[code]
    return max(
        difflib.SequenceMatcher(None, written, label).ratio() + 0.1 * (written[:1] == label[:1])
        for label in (code, name.en.casefold(), name.ja)
    )
