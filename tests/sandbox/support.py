"""Helpers of the tests of the sandbox."""

from __future__ import annotations

import pytest

from commerce_sandbox import cli


def run_command_line(*arguments: str) -> int:
    """Run the command line in this process, and return its exit code."""
    with pytest.raises(SystemExit) as exit_info:
        cli.main(arguments)
    return int(exit_info.value.code or 0)
