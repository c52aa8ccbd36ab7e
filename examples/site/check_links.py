"""Find links of a built site that lead nowhere inside it.

    python examples/site/check_links.py build/site

Links to other hosts are not followed: the check needs no network.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class _Page(HTMLParser):
    """The places and the links of one page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.places: set[str] = set()
        self.links: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what may be linked to, and what is linked."""
        for name, value in attrs:
            if value and (name == "id" or (tag == "a" and name == "name")):
                self.places.add(value)
            elif value and name in ("href", "src"):
                self.links.append(value)


def find_dead_links(site: Path) -> list[str]:
    """Return ``page: link`` for each link inside the site that leads nowhere."""
    # Files of the theme are templates, not pages.
    paths = [path.resolve() for path in site.rglob("*.html") if "_static" not in path.parts]
    pages = {path: _Page(path) for path in paths}
    dead = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            place = unquote(parts.fragment)
            known = pages[target].places if target in pages else None
            if not target.exists() or (place and known is not None and place not in known):
                dead.append(f"{path.relative_to(site.resolve())}: {link}")
    return sorted(set(dead))


if __name__ == "__main__":
    found = find_dead_links(Path(sys.argv[1]))
    print("\n".join(found) or "No dead links.")
    sys.exit(bool(found))
