r"""Patterns of JSON Schema as a browser reads them.

A browser matches the whole value, the server looks for the pattern anywhere; a browser's ``\w`` and ``\d`` know only
ASCII, the server's know every script. What cannot be said in both ways is left to the server.
"""

from __future__ import annotations

import re

KNOWN = re.compile(
    r"""
    ( [\w\s.:/@+*?%\#=~<>!,-]              # a character for itself, any, or how often
    | \( (?:\?:)? (?!\?) | \) | \|         # groups and alternatives
    | \{ \d+ (?:,\d*)? \}
    | \\ [dws.+*?/()\[\]{}|]
    | \[ \^? (?: \w-\w | [\w\s.:/@+%\#=~,] | \\ [dws.\]-] )+ -? \]
    )+
    """,
    re.VERBOSE,
)
WIDER = ((r"\d", r"\p{Nd}"), (r"\w", r"[\p{L}\p{M}\p{N}\p{Pc}]"))


def for_browser(text: str) -> str | None:
    """The ``pattern`` of an input; None where the server alone can tell."""
    begins, ends = text.startswith("^"), text.endswith("$") and not text.endswith(r"\$")
    inner = text[begins : len(text) - ends]
    # Alternatives outside of a group would belong to one anchor only.
    if not KNOWN.fullmatch(inner) or "|" in _outside_groups(inner):
        return None
    for ours, theirs in WIDER:
        inner = inner.replace(ours, theirs)
    inner = re.sub(r"(?<!\\)-\]", r"\\-]", re.sub(r"(?<!\\)/", r"\\/", inner))
    return f"{'' if begins else '.*'}(?:{inner}){'' if ends else '.*'}"


def _outside_groups(text: str) -> str:
    before = ""
    while before != text:
        before, text = text, re.sub(r"\([^()]*\)", "", text)
    return text
