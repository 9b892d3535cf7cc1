"""The command `commerce-sandbox`, and `python -m commerce_sandbox`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line, if what it needs is installed.

    Returns:
        The exit code.
    """
    try:
        from commerce_sandbox import cli  # noqa: PLC0415 (it may fail)
    except ModuleNotFoundError as error:
        print(  # noqa: T201 (a command-line program prints)
            f"commerce-sandbox: the module {error.name} is missing. It comes with the extra "
            "`sandbox`; in a clone: pip install '.[sandbox]'",
            file=sys.stderr,
        )
        return 1
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
