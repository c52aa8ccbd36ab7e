"""albumentations, imported without a call to the package registry, and only in the release we know."""

from __future__ import annotations

import os
import re
from types import ModuleType
from typing import TYPE_CHECKING

from vaeaug.errors import LibraryError

__all__ = ["A", "check_version"]

_SWITCH = "NO_ALBUMENTATIONS_UPDATE"


def check_version(version: str) -> None:
    """Refuse releases whose transforms are written in another way.

    Raises
    ------
    LibraryError
    """
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:3])
    if not (2, 0, 8) <= numbers < (2, 1):
        raise LibraryError(
            f"vaeaug.integrations.albumentations needs albumentations 2.0.8, the last release under the MIT "
            f"licence; found {version}. (AlbumentationsX installs itself under the same name.) Uninstall "
            'what is there, then: pip install "albumentations>=2.0.8,<2.1".'
        )


def _import_albumentations() -> ModuleType:
    # Importing asks the registry for a newer release, and waits where there is no network.
    asked_before = os.environ.get(_SWITCH)
    os.environ[_SWITCH] = asked_before or "1"
    try:
        import albumentations
    finally:
        if asked_before is None:
            del os.environ[_SWITCH]
    check_version(albumentations.__version__)
    return albumentations


if TYPE_CHECKING:
    import albumentations as A
else:
    A = _import_albumentations()
