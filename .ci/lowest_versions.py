"""Print constraints for pip: the lowest version of every dependency that pyproject.toml allows."""

import re
import tomllib
from pathlib import Path

#: What the lowest versions need in turn, and do not ask for themselves.
OLD_COMPANIONS = [
    "python-dateutil<3",  # pandas 2.2 does not know the time zones of dateutil 3
]


def main() -> None:
    """Read them, and print one a line."""
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    for requirement in project["dependencies"] + project["optional-dependencies"]["parquet"]:
        name, version = re.match(r"([\w-]+)>=([\d.]+)", requirement).groups()
        print(f"{name}=={version}")
    print(*OLD_COMPANIONS, sep="\n")


if __name__ == "__main__":
    main()
