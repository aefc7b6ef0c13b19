"""The command: `regsearch`, or `python -m regsearch`."""

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command.  An interruption while it is imported is one line, as it is later."""
    try:
        from regsearch.search import process
    except KeyboardInterrupt:
        print("regsearch: stopped", file=sys.stderr)
        sys.exit(130)
    process.main()


if __name__ == "__main__":
    main()
