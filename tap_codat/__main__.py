"""Lets the tap run as `python -m tap_codat`."""

from __future__ import annotations

from tap_codat.tap import TapCodat

TapCodat.cli()
