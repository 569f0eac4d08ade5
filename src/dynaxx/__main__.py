"""`python -m dynaxx` is `dynaxx`."""

from __future__ import annotations

from dynaxx.cli.start import main

if __name__ == "__main__":
    main()
