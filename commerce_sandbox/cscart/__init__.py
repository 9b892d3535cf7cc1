"""A fake of the REST API of CS-Cart and Multi-Vendor, in three releases and two editions.

It was made from the product's manual and from what its releases are known to do. It is as lenient
as the store: a parameter it does not know filters nothing and is echoed, an unknown sort falls back
to the default. It is read-only: any method but GET gives 405.

The store lies under a folder, `/cscart`, and its API is at `/cscart/api/2.0/products` or at
`/cscart/api.php?_d=2.0/products`. Any other address is a page of the storefront, in HTML.

**Truth** does not know how a release writes a value; it gives rows in a neutral form:

* ids and counts are numbers; an id that points nowhere is 0, as in the database;
* money and weights are decimals in text with the digits of the store, such as `"129.00"`;
* what can only be yes or no is true or false;
* timestamps are `YYYY-MM-DDTHH:MM:SSZ`; one that never was is null;
* lists are lists, and objects are objects, also empty ones;
* what is keyed by an id stays an object keyed by it;
* what PHP has serialised stays as that text, and so do the many values of a setting;
* texts are in the store's own language, except those of `langvars`, which are in each.

A row has the columns of lists and single responses together, as far as the release has them.

Choices of its own, where nothing is known:

* 4.12 pages categories as 4.13 does, writes prices with 8 digits, and 4.9 with 6.
* `vendors` of a CS-Cart and `stores` of a Multi-Vendor return all companies; truth
  has them under the name that belongs to the edition.
* What a list of carts hides, where an account has carts in two stores, is in truth: one of the
  stores shows it (`stores/ID/carts`).
* The product's clock, which `updated_in_hours` and open periods go by, is that of the machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from commerce_sandbox.cscart import truth
from commerce_sandbox.cscart.accounts import API_KEY, EMAIL, Account, accounts
from commerce_sandbox.cscart.api import ROOT, Api
from commerce_sandbox.cscart.mutation import KEYS, Churner, Mutation
from commerce_sandbox.cscart.responses import error_body
from commerce_sandbox.cscart.setup import SETTINGS, Setup
from commerce_sandbox.cscart.shop import SECRET
from commerce_sandbox.cscart.store import Store
from commerce_sandbox.fake_api import Envelope

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from random import Random

    from starlette.types import ASGIApp

    from commerce_sandbox.fake_api import ChangedRow, Options

__all__ = ["API_KEY", "EMAIL", "ROOT", "SECRET", "Account", "FakeCSCart"]


class FakeCSCart:
    """The fake of CS-Cart: its store, its API, its truth.

    Args:
        options: How it is to be filled.
    """

    root = ROOT
    settings = SETTINGS
    withheld = ()
    streams = truth.STREAMS
    envelope = Envelope(records="", total="", links="")

    def __init__(self, options: Options) -> None:
        self._store = Store(Setup.of(options), options.seed, options.scale)
        self.accounts: Mapping[str, Account] = accounts(options.api_key or API_KEY)
        self._mutations = 0
        self._churner = Churner(self._store)
        self.app: ASGIApp = Api(self._store, self.accounts)

    def truth(self, stream: str) -> Iterator[bytes]:
        """Return the rows of a stream, each encoded as JSON.

        Raises:
            KeyError: There is no such stream.
        """
        return truth.rows(self._store, stream)

    def mutate(
        self, *, changes: int, inserts: int, deletes: int, stream: str | None
    ) -> list[ChangedRow]:
        """Change, add and delete orders, products, carts and accounts, chosen by the seed.

        An order is edited, moved on or noted on in turn, a product edited or sold: what leaves no
        timestamp is reported as `unmarked`.

        Args:
            changes: How many rows to change.
            inserts: How many rows to add.
            deletes: How many rows to delete, without a trace.
            stream: The stream to keep to; all that can change if none.

        Raises:
            ValueError: The rows of the stream cannot be changed, or are too few.
        """
        _check(stream)
        mutation = Mutation(self._store, self._mutations)
        changed = list(
            mutation.apply(changes=changes, inserts=inserts, deletes=deletes, stream=stream)
        )
        self._mutations += 1
        return changed

    def churn(self, seconds: float, random: Random, stream: str | None) -> tuple[ChangedRow, bytes]:
        """Change, add or delete one row."""
        _check(stream)
        return self._churner.step(seconds, random, stream)

    def settle(self) -> None:
        """End the churn: there is nothing to be completed."""

    def error_body(self, status: int) -> bytes:
        """Return the body CS-Cart sends with an error status."""
        return error_body(self._store.setup, status)

    def environment(self, url: str) -> Mapping[str, str]:
        """Return the settings of tap-cscart as environment variables."""
        return {
            "TAP_CSCART_STORE_URL": f"{url}{ROOT}",
            "TAP_CSCART_EMAIL": EMAIL,
            "TAP_CSCART_API_KEY": self.accounts[EMAIL].key,
        }


def _check(stream: str | None) -> None:
    if stream is not None and stream not in KEYS:
        raise ValueError(f"the rows of {stream!r} cannot be changed")
