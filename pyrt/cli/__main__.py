"""``python -m pyrt.cli``."""

from __future__ import annotations

from pyrt.cli import main

main()
