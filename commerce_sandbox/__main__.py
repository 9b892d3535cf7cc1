"""`python -m commerce_sandbox`."""

from __future__ import annotations

import sys

from commerce_sandbox.cli import main

sys.exit(main())
