"""Lets the tap run as `python -m tap_cscart`."""

from __future__ import annotations

from tap_cscart.tap import TapCSCart

TapCSCart.cli()
