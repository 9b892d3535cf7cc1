"""Stores of each release, shared by all tests that change none, and a client that reads them."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
import requests

from commerce_sandbox import Sandbox
from commerce_sandbox.cscart import API_KEY, EMAIL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Record = dict[str, Any]
RELEASES = ("4.9", "4.12", "4.20")
EDITIONS = ("cscart", "multivendor")


class Client:
    """Reads a store as the fact sheet of its API says."""

    def __init__(self, sandbox: Sandbox, email: str = EMAIL, key: str = API_KEY) -> None:
        self.sandbox = sandbox
        self.url = sandbox.url_of("cscart")
        self._session = requests.Session()
        self._session.auth = (email, key)

    def get(self, path: str, *, version: str = "2.0", **asked: Any) -> requests.Response:  # noqa: ANN401
        headers = asked.pop("headers", None)
        prefix = f"/api/{version}/" if version else "/api/"
        url = f"{self.url}{prefix}{path}"
        return self._session.get(url, params=asked, headers=headers, timeout=30)

    def json(self, path: str, **asked: Any) -> Any:  # noqa: ANN401
        response = self.get(path, **asked)
        assert response.status_code == 200, response.text
        return response.json()

    def status(self, path: str, **asked: Any) -> int:  # noqa: ANN401
        response = self.get(path, **asked)
        if response.status_code != 200:
            assert response.json()["status"] == response.status_code
        return response.status_code

    def rows(self, path: str, *, size: int = 37, **asked: Any) -> list[Record]:  # noqa: ANN401
        """Read all pages until one is empty, is not the one asked for, or begins as one before."""
        key = path.rpartition("/")[2]
        key = {"product_variations_groups": "groups"}.get(key, key)
        key = {"product_variations": "products", "master_products": "products"}.get(key, key)
        found: list[Record] = []
        seen: list[Record] = []
        for page in range(1, 1000):
            answer = self.json(path, page=page, items_per_page=size, **asked)
            collection = answer[key]
            rows = list(collection.values()) if isinstance(collection, dict) else collection
            said = (answer["params"] or {}).get("page", page)
            if not rows or int(said) != page or rows[0] in seen:
                return found
            found += rows
            seen.append(rows[0])
        raise AssertionError("the list does not end")

    def close(self) -> None:
        self._session.close()


@pytest.fixture(scope="session")
def client_of() -> Iterator[Callable[..., Client]]:
    """Gives a client of a store that no test changes."""
    with ExitStack() as stack:
        stores: dict[tuple[tuple[str, str], ...], Sandbox] = {}

        def open_store(
            release: str = "4.20",
            edition: str = "cscart",
            account: tuple[str, str] = (EMAIL, API_KEY),
            **settings: str,
        ) -> Client:
            told: dict[str, Any] = {
                "cscart_release": release,
                "cscart_edition": edition,
                **settings,
            }
            name = tuple(sorted(told.items()))
            if name not in stores:
                stores[name] = stack.enter_context(Sandbox(scale=0.05, **told))
            client = Client(stores[name], *account)
            stack.callback(client.close)
            return client

        yield open_store


@pytest.fixture
def own_client() -> Iterator[Callable[..., Client]]:
    """Gives a client of a store that the test may change."""
    with ExitStack() as stack:

        def open_store(**settings: Any) -> Client:  # noqa: ANN401 (arguments of a sandbox)
            client = Client(stack.enter_context(Sandbox(**{"scale": 0.05, **settings})))
            stack.callback(client.close)
            return client

        yield open_store
