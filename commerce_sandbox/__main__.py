"""The command `commerce-sandbox`, and `python -m commerce_sandbox`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line, if the packages it needs are installed.

    Returns:
        The exit code.
    """
    try:
        from commerce_sandbox import cli  # noqa: PLC0415 (it may fail)
    except ModuleNotFoundError as error:
        print(  # noqa: T201 (a command-line program prints)
            f"commerce-sandbox: the module {error.name} is not installed. In a clone of "
            "commerce-taps, install the sandbox with: pip install ./commerce_sandbox",
            file=sys.stderr,
        )
        return 1
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
