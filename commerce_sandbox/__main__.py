"""The command `commerce-sandbox`, and `python -m commerce_sandbox`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line, if the packages it needs are installed.

    Raises:
        SystemExit: Always, with the exit code.
    """
    try:
        from commerce_sandbox import cli  # noqa: PLC0415 (it may fail)
    except ModuleNotFoundError as error:
        sys.exit(
            f"commerce-sandbox: the module {error.name} is not installed. In a clone of "
            "commerce-taps, install the sandbox with: pip install ./commerce_sandbox"
        )
    cli.main()


if __name__ == "__main__":
    main()
