"""Readings of our own: letters, digits behind letters, and words whose guessed reading is wrong."""

from __future__ import annotations

from typing import Final

LETTERS: Final = dict(
    zip(
        "abcdefghijklmnopqrstuvwxyz",
        "エー ビー シー ディー イー エフ ジー エイチ アイ ジェー ケー エル エム エヌ オー ピー キュー アール エス ティー ユー ブイ "
        "ダブリュー エックス ワイ ゼット".split(),
        strict=True,
    )
)

DIGITS: Final = dict(
    zip("0123456789", "ゼロ ワン ツー スリー フォー ファイブ シックス セブン エイト ナイン".split(), strict=True)
)
"""One digit glued to a letter is read in English: CO2, H5N1, F1, BRCA1, 3D."""

ELEMENTS: Final = frozenset(
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb Mo "
    "Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Sm Eu Gd Tb Dy Er Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi "
    "Rn Ra Th U Pu".split()
)

LONE_ELEMENTS: Final = frozenset("Na Mg Al Si Cl Ca Cr Mn Fe Cu Zn Ag Cd Cs Ba Pt Au Hg Pb".split())
"""Spelt even alone; the others are words or names (In, As, He, Li)."""

ROMAN: Final = {
    "I": "1", "II": "2", "III": "3", "IV": "4", "V": "5", "VI": "6", "VII": "7", "VIII": "8", "IX": "9", "XI": "11", "XII": "12",
}  # fmt: skip

# Written as here, a word in capitals or with a capital inside is that abbreviation or name only.
_NAMES: Final = """
BERT バート|RoBERTa ロバータ|GABA ギャバ|ELISA エライザ|CMOS シーモス|IEEE アイトリプルイー|PET ペット|GAN ガン|RAG ラグ|CAR カー
LAN ラン|ROM ロム|RAM ラム|YOLO ヨーロー|ANOVA アノーバ|JAMA ジャーマ|OPEC オペック|ESA イーサ|GIF ジフ|CERN セルン|LIGO ライゴ
SARS-CoV-2 サーズコブツー|CoV コブ|Cas キャス|HbA1c ヘモグロビンエーワンシー|LaTeX ラテフ|TeX テフ|PhD ピーエイチディー
ResNet レズネット|GPT-4o ジーピーティーフォーオー|LoRA ローラ|KRAS ケーラス|Mr ミスター|Mrs ミセス|Ms ミズ|Dr ドクター|Prof プロフェッサー
St セント|OK オーケー|USA ユーエスエー|DALL ダリ|AlexNet アレックスネット|NeurIPS ニューリップス|iOS アイオーエス|AlphaGo アルファゴ
WHO ダブリューエイチオー|NOAA ノア|SNP スニップ|SNPs スニップス|FAIR フェア|AIDS エイズ|UNICEF ユニセフ|Li リー|SQL エスキューエル
CaMKII カムケーツー|miRNA マイクロアールエヌエー|ChIP チップ|mTOR エムトール|CAM カム|ACE エース|ITER イーター|NaN エヌエーエヌ
"""

# In any spelling, accents aside. What stands here came out wrong from the guesser.
_WORDS: Final = """
python パイソン|pytorch パイトーチ|py パイ|numpy ナンパイ|scipy サイパイ|jupyter ジュピター|matlab マトラボ|github ギットハブ
gitlab ギットラボ|kubernetes クバネティス|tensorflow テンソルフロー|xgboost エックスジーブースト|tiktok ティックトック|openai オープンエーアイ
chatgpt チャットジーピーティー|gemini ジェミニ|nvidia エヌビディア|amazon アマゾン|windows ウィンドウズ|midjourney ミッドジャーニー
imagenet イメージネット|arxiv アーカイブ|biorxiv バイオアーカイブ|medrxiv メドアーカイブ|pubmed パブメド|elsevier エルゼビア|springer シュプリンガー
wi-fi ワイファイ|wifi ワイファイ|e-mail イーメール|lidar ライダー|drone ドローン|finetuning ファインチューニング|autonomous オートノマス
crispr クリスパー|vaccine ワクチン|phage ファージ|tumor チューマー|tumour チューマー|exome エクソーム|epigenome エピゲノム|leukemia リューケミア
diabetes ダイアビーティス|alcohol アルコール|pathogen パソジェン|mitochondria ミトコンドリア|ibuprofen イブプロフェン|obesity オビーシティー|antigen アンチジェン
sapiens サピエンス|caenorhabditis カエノラブディティス|elegans エレガンス|bacillus バチルス|pylori ピロリ|mus ムス|tuberculosis ツベルクローシス
drosophila ドロソフィラ|arabidopsis アラビドプシス|neanderthal ネアンデルタール|neanderthalensis ネアンデルターレンシス|saccharomyces サッカロミセス
in イン|vivo ビボ|situ サイチュ|novo ノボ|de デ|hoc ホック|et エト|al アル|vs バーサス|seq シーク|cov コブ
climate クライメート|galaxy ギャラクシー|quasar クエーサー|pulsar パルサー|saturn サターン|venus ビーナス|hubble ハッブル|exoplanet エクソプラネット
spacetime スペースタイム|nino ニーニョ|nina ニーニャ|drought ドラウト|oxygen オキシジェン|hydrogen ハイドロジェン|nitrogen ナイトロジェン|isotope アイソトープ
markov マルコフ|fourier フーリエ|laplace ラプラス|einstein アインシュタイン|schrodinger シュレーディンガー|planck プランク|bohr ボーア
heisenberg ハイゼンベルク|euler オイラー|fermat フェルマー|galois ガロア|noether ネーター|hilbert ヒルベルト|neumann ノイマン|poincare ポアンカレ
godel ゲーデル|erdos エルデシュ|muller ミュラー|curie キュリー|freud フロイト|piaget ピアジェ|pavlov パブロフ|watson ワトソン|garcia ガルシア
sycamore シカモア|miyaura ミヤウラ|cohen コーエン|nguyen グエン|mc マク|wang ワン|zhang チャン|oxford オックスフォード|cambridge ケンブリッジ|berkeley バークレー|tokyo トーキョー|roche ロシュ|merck メルク|stata ステータ
alzheimer アルツハイマー|parkinson パーキンソン|huntington ハンチントン|crohn クローン|down ダウン|hodgkin ホジキン|kaplan カプラン|meier マイヤー
stochastic ストキャスティック|optimization オプティマイゼーション|randomization ランダマイゼーション|prior プライアー|inequality イニクオリティー
supervised スーパーバイズド|unsupervised アンスーパーバイズド|thought ソート|few フュー|stable ステイブル|superconductivity スーパーコンダクティビティー
relu レルー|bayes ベイズ|naive ナイーブ|cafe カフェ|res レズ|go ゴー|you ユー|me ミー|we ウィー|he ヒー|she シー|it イット|its イッツ
the ザ|of オブ|to トゥー|for フォー|with ウィズ|is イズ|are アー|as アズ|at アット|on オン|by バイ|this ディス|that ザット|or オア|be ビー|all オール
need ニード|do ドゥー|no ノー|so ソー|up アップ|via ビア|per パー|one ワン|who フー|how ハウ|why ワイ|what ホワット|can キャン|your ユア|our アワー
"""


def _read(rows: str) -> dict[str, str]:
    return dict(entry.split(" ", 1) for line in rows.strip().splitlines() for entry in line.split("|"))


NAMES: Final = _read(_NAMES)
WORDS: Final = _read(_WORDS)
