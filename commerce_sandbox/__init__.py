"""Local doubles of the vendor APIs over real HTTP, for demonstrations, tests and benchmarks."""

from __future__ import annotations

from commerce_sandbox.double import Churned, ChurnOptions, FaultOptions, Options, Touched
from commerce_sandbox.gate import LoggedRequest, Override
from commerce_sandbox.sandbox import Sandbox

__all__ = [
    "ChurnOptions",
    "Churned",
    "FaultOptions",
    "LoggedRequest",
    "Options",
    "Override",
    "Sandbox",
    "Touched",
]
