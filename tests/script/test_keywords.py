import pytest

from hybrid_mcp.script.keywords import keywords


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("SGLT2阻害薬を投与した。", "SGLT2阻害薬"),
        ("2型糖尿病の患者を調べた。", "2型糖尿病"),
        ("多能性幹細胞をつくる。", "多能性幹細胞"),
        ("iPS細胞を移植した。", "iPS細胞"),
        ("非アルコール性脂肪肝を調べた。", "非アルコール性脂肪肝"),
        ("再生可能エネルギーを使う。", "再生可能エネルギー"),
        ("生成AIが広がる。", "生成AI"),
        ("渦巻銀河はNGC 1365である。", "NGC 1365"),
        ("中世日本の村を調べた。", "中世日本"),
        ("電池はNa2Fe(SO4)2を使う。", "電池"),
        ("COVID-19の流行を調べた。", "COVID-19"),
        ("ケイ藻Skeletonema costatumを培養した。", "Skeletonema costatum"),
        ("ケイ藻Skeletonema costatumを培養した。", "ケイ藻"),
    ],
)
def test_compounds_keep_their_beginning_and_end(text: str, word: str) -> None:
    assert word in keywords([text], "", "ja", 8)


def test_addresses_and_single_kana_are_no_key_words() -> None:
    found = keywords(
        ["詳細はhttps://example.org/paper とdoi:10.1016/j.cell.2006.07.024と a.b@example.org にある。み、さの値。"],
        "",
        "ja",
        8,
    )
    assert set(found) <= {"詳細"}
    assert "example" not in " ".join(keywords(["See https://example.org/x for sleep."], "", "en", 8))


def test_what_stands_in_the_title_comes_first() -> None:
    found = keywords(["脂肪肝と高血圧を調べた。高血圧は増えた。高血圧は減った。"], "脂肪肝の治療", "ja", 2)
    assert found[0] == "脂肪肝"


def test_an_english_key_word_is_no_verb() -> None:
    title = "Predicting protein structures at near-experimental accuracy"
    texts = ["Predicting the shape has been open.", "The network predicts protein structures."]
    found = keywords(texts, title, "en", 2)
    assert found[0] == "protein structures"
    assert not [word for word in found if word.endswith("ing")]


def test_a_key_word_can_be_a_hashtag() -> None:
    found = keywords(["Oct3/4、Sox2を導入した。"], "", "ja", 8)
    assert "Sox2" in found
    assert not [word for word in found if word.startswith("Oct")]
    assert not [word for word in keywords(["電池Na2Fe(SO4)2を使う。"], "", "ja", 8) if "SO4" in word or "Na2" in word]
