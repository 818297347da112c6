"""`python -m appcues_async`, and the command `appcues-async`."""

from __future__ import annotations

import importlib.util
import json
import sys

INSTALL = "pip install 'appcues-async[cli]'"


def main() -> None:
    """Runs the command line; says what to install where its libraries are missing."""
    missing = [name for name in ("cyclopts", "rich") if importlib.util.find_spec(name) is None]
    if missing:
        error = {
            "error": True,
            "type": "MissingExtra",
            "status": None,
            "message": f"the command line needs {' and '.join(missing)}; run: {INSTALL}",
            "exit_code": 3,
        }
        print(json.dumps(error), file=sys.stderr)
        raise SystemExit(3)
    # Only now: importing the commands needs what was looked for above.
    from appcues_async.cli.app import run  # noqa: PLC0415

    raise SystemExit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
