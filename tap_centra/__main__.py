"""Lets the tap run as `python -m tap_centra`."""

from __future__ import annotations

from tap_centra.tap import TapCentra

TapCentra.cli()
