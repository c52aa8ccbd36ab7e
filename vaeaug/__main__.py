"""``python -m vaeaug``: the command line."""

from vaeaug.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
