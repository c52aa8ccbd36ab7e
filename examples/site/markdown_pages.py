"""Translate the Markdown of the benchmark pages into reStructuredText."""

import re
from collections.abc import Callable, Iterator

__all__ = ["convert_inline", "convert_page"]

_UNDERLINES = "=-~^"
_INLINE = re.compile(
    r"`(?P<code>[^`]+)`"
    r"|\[(?P<text>[^\]]+)\]\((?P<target>[^)]+)\)"
    r"|\*\*(?P<strong>.+?)\*\*"
    r"|\*(?P<emphasis>[^*\s](?:[^*]*[^*\s])?)\*"
)


def convert_inline(text: str, link: Callable[[str, str], str]) -> str:
    """Return a line of text with code, links, strong and emphasised words.

    Parameters
    ----------
    text : str
    link : callable
        Takes the words and the target of a link, and returns it in reStructuredText.
    """

    def convert(match: re.Match[str]) -> str:
        # An escaped space on both sides: markup may then touch letters.
        return f"\\ {markup(match)}\\ "

    def markup(match: re.Match[str]) -> str:
        if match["code"]:
            return f"``{match['code']}``"
        if match["target"]:
            return link(_plain(match["text"]), match["target"])
        mark, words = ("**", match["strong"]) if match["strong"] else ("*", match["emphasis"])
        return f"{mark}{_escape(_plain(words))}{mark}"

    pieces, end = [], 0
    for match in _INLINE.finditer(text):
        pieces += [_escape(text[end : match.start()]), convert(match)]
        end = match.end()
    return "".join([*pieces, _escape(text[end:])]).removeprefix("\\ ").removesuffix("\\ ")


def convert_page(text: str, link: Callable[[str, str], str]) -> str:
    """Return a page of headings, paragraphs, lists, tables and code in reStructuredText."""
    text = re.sub(r"^<!--.*?-->$|<a id=[^>]*></a>", "", text, flags=re.MULTILINE)
    lines = text.splitlines()
    return "\n\n".join(_convert_block(block, link) for block in _split_blocks(lines)) + "\n"


def _plain(text: str) -> str:
    return re.sub(r"[`*]", "", text)


def _escape(text: str) -> str:
    return re.sub(r"([\\*`_|])", r"\\\1", text)


def _split_blocks(lines: list[str]) -> Iterator[list[str]]:
    """Yield the lines of one heading, code block, table, item of a list or paragraph after another."""
    block: list[str] = []
    for line in lines:
        if block and block[0].startswith("```"):
            block.append(line)
            if line.startswith("```"):
                yield block
                block = []
        elif not line.strip():
            if block:
                yield block
            block = []
        else:
            table = line.startswith("|")
            # A row of a table follows a row, and a line of text follows text.
            follows = block and table == block[0].startswith("|")
            if block and (not follows or re.match(r"#+ |```|- |\d+\. ", line) or block[0].startswith("#")):
                yield block
                block = []
            block.append(line)
    if block:
        yield block


def _convert_block(block: list[str], link: Callable[[str, str], str]) -> str:
    first = block[0]
    if first.startswith("```"):
        body = "\n".join(f"    {line}".rstrip() for line in block[1:-1])
        return f".. code-block:: {first[3:].strip() or 'text'}\n\n{body}"
    if first.startswith("|"):
        return _convert_table(block, link)
    if heading := re.match(r"(#+) (.*)", first):
        title = convert_inline(heading[2], link)
        return f"{title}\n{_UNDERLINES[len(heading[1]) - 1] * len(title)}"
    marker = re.match(r"(- |\d+\. )?", first)
    assert marker is not None
    words = " ".join(line.strip() for line in [first[marker.end() :], *block[1:]])
    return f"{marker[0]}{convert_inline(words, link)}"


def _convert_table(rows: list[str], link: Callable[[str, str], str]) -> str:
    head, rule, *body = [
        [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", row.strip().strip("|"))]
        for row in rows
    ]
    numbers = next((at for at, mark in enumerate(rule) if mark.endswith(":")), len(rule))
    lines = [".. list-table::", "    :header-rows: 1", f"    :class: numbers-from-{numbers + 1}", ""]
    for row in [head, *body]:
        cells = [*row, *[""] * (len(head) - len(row))]
        for at, cell in enumerate(cells):
            lines.append(f"    {'*' if at == 0 else ' '} - {convert_inline(cell, link)}".rstrip())
    return "\n".join(lines)
