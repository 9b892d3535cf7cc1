"""Local fakes of the vendor APIs over real HTTP, for demonstrations, tests and benchmarks.

The modules are imported when they are used, so that the command can report a missing package.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from commerce_sandbox.fake_api import ChangedRow, Churned, ChurnOptions, FaultOptions, Options
    from commerce_sandbox.middleware import LoggedRequest, Override
    from commerce_sandbox.sandbox import Sandbox

__all__ = [
    "ChangedRow",
    "ChurnOptions",
    "Churned",
    "FaultOptions",
    "LoggedRequest",
    "Options",
    "Override",
    "Sandbox",
]

_PLACES = {"LoggedRequest": "middleware", "Override": "middleware", "Sandbox": "sandbox"}


def __getattr__(name: str) -> Any:  # noqa: ANN401 (a class)
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES.get(name, 'fake_api')}"), name)
