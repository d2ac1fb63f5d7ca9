"""A script as Markdown, for people who read or edit it."""

from __future__ import annotations

from hybrid_mcp.languages import Language
from hybrid_mcp.script.model import Line, Script

_LABELS: dict[Language, dict[str, str]] = {
    "ja": {
        "framing": "つなぎ",
        "spoken": "読み",
        "source": "出典の文",
        "sources": "出典",
        "grounded": "根拠のある行の割合",
    },
    "en": {
        "framing": "framing",
        "spoken": "read as",
        "source": "Source sentences",
        "sources": "Sources",
        "grounded": "share of lines with evidence",
    },
}


def markdown(script: Script) -> str:
    """The script with its evidence as footnote numbers and the numbered source at the end."""
    label = _LABELS[script.language]
    out = [f"# {script.title}", "", f"> {script.hook}", ""]
    out += [f"{label['grounded']}: {script.grounded_share:.0%} · {script.engine}", ""]
    for section in script.sections:
        out += [f"## {section.title}", ""]
        for line in section.lines:
            out += [_line(line, label), ""]
    out += [f"## {label['source']}", ""]
    out += [f"{sentence.number}. {sentence.text}" for sentence in script.source]
    out += ["", f"## {label['sources']}", ""]
    out += [f"- {source}" for source in script.sources]
    return "\n".join(out) + "\n"


def _line(line: Line, label: dict[str, str]) -> str:
    marks = "".join(f"[{number}]" for number in line.evidence) or f"({label['framing']})"
    spoken = f"  \n  *{label['spoken']}: {line.reading}*" if line.reading else ""
    return f"**{line.speaker}** {line.shown} {marks}{spoken}"
