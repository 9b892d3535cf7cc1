"""A fake of Codat's API, made from the vendor's documentation and specifications.

It is strict where the documentation is clear, and refuses what the documentation leaves open: a
client that passes here relies on nothing the vendor has not documented.

Choices of its own:

* Ids of companies and connections are GUIDs, as Codat makes them; ids of records come from the
  platforms, and every twentieth holds characters that need quoting in a path.
* A field that a platform does not know is left out, as in all official examples; null stands where
  the specification or the documentation allows it.
* A connection that was never authorised returns 409 for every data type.
* Links are relative to the root of the API: at `https://api.codat.io` a `/companies` follows the
  host, here it follows `/codat`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from commerce_sandbox.codat import fields, responses, truth
from commerce_sandbox.codat.api import API_KEY, ROOT, Api
from commerce_sandbox.codat.examples import Examples
from commerce_sandbox.codat.mutation import Churner, Mutation
from commerce_sandbox.codat.store import Generated, Store
from commerce_sandbox.fake_api import Envelope

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from random import Random

    from starlette.types import ASGIApp

    from commerce_sandbox.fake_api import ChangedRow, Options, Setting

__all__ = ["API_KEY", "ROOT", "FakeCodat"]

_DATASETS: Final = {truth.stream_name(name): name for name in fields.COMMERCE_LISTS}


class FakeCodat:
    """The fake of Codat: its store, its API, its truth.

    Args:
        options: How it is to be filled.

    Raises:
        OSError: The specification whose examples are to be served cannot be read.
        ValueError: It is no specification with examples of commerce data.
    """

    root = ROOT
    settings: tuple[Setting, ...] = ()
    withheld = ("TAP_CODAT_AUTH_HEADER",)
    streams = truth.STREAMS
    envelope = Envelope(records="results", total="totalResults", links="_links")

    def __init__(self, options: Options) -> None:
        source = (
            Generated(options.seed, options.scale, hostile_ids=options.hostile_ids)
            if options.codat_spec is None
            else Examples(options.codat_spec)
        )
        self._store = Store(source, options.seed)
        self._mutations = 0
        self._churner = Churner(self._store)
        self._api_key = options.api_key or API_KEY
        self.app: ASGIApp = Api(self._store, self._api_key)

    def truth(self, stream: str) -> Iterator[bytes]:
        """Return the rows of a stream, each encoded as JSON.

        Raises:
            KeyError: There is no such stream.
        """
        return truth.rows(self._store, stream)

    def mutate(
        self, *, changes: int, inserts: int, deletes: int, stream: str | None
    ) -> list[ChangedRow]:
        """Change, add and delete rows of commerce lists, chosen by the seed.

        Args:
            changes: How many rows to change.
            inserts: How many rows to add.
            deletes: How many rows to delete; as in Codat, without a trace.
            stream: The stream to keep to; all lists if none.

        Raises:
            ValueError: The stream is no list of commerce data, or has too few rows.
        """
        mutation = Mutation(self._store, self._mutations)
        changed = list(
            mutation.apply(
                changes=changes, inserts=inserts, deletes=deletes, dataset=_dataset(stream)
            )
        )
        self._mutations += 1
        return changed

    def churn(self, seconds: float, random: Random, stream: str | None) -> tuple[ChangedRow, bytes]:
        """Change, add or delete one row of commerce lists."""
        return self._churner.step(seconds, random, _dataset(stream))

    def settle(self) -> None:
        """Complete the syncs that churn has begun."""
        self._churner.settle()

    def error_body(self, status: int) -> bytes:
        """Return the body Codat documents for an error status."""
        return responses.error_body(status)

    def environment(self, url: str) -> Mapping[str, str]:
        """Return the settings of tap-codat as environment variables."""
        return {
            "TAP_CODAT_API_URL": f"{url}{ROOT}",
            "TAP_CODAT_API_KEY": self._api_key,
            # The sandbox has no limit to respect.
            "TAP_CODAT_REQUESTS_PER_MINUTE": "0",
        }


def _dataset(stream: str | None) -> str | None:
    """Return the list that carries a stream, if one is named."""
    if stream is not None and stream not in _DATASETS:
        raise ValueError(f"the rows of {stream!r} cannot be changed")
    return None if stream is None else _DATASETS[stream]
