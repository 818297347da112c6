"""`python -m appcues_async`, and the command `appcues-async`."""

from __future__ import annotations

import json
import sys
from typing import Final

INSTALL: Final = "pip install 'appcues-async[cli]'"


def main() -> None:
    """Runs the command line; says what to install where its libraries are missing."""
    try:
        # Only now: whoever did without the extra is to be told so.
        from appcues_async.cli.app import run  # noqa: PLC0415
    except ImportError as error:
        missing = (error.name or "cyclopts").partition(".")[0]
        if missing == "appcues_async":
            raise
        raise SystemExit(_refuse(missing)) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    raise SystemExit(run(sys.argv[1:]))


def _refuse(missing: str) -> int:
    error = {
        "error": True,
        "type": "MissingExtra",
        "status": None,
        "message": f"the command line needs {missing}; run: {INSTALL}",
        "exit_code": 3,
    }
    print(json.dumps(error), file=sys.stderr)
    return 3


if __name__ == "__main__":
    main()
