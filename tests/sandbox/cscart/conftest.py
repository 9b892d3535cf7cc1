"""Stores of each release, shared by all tests that change none, and a client that reads them."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from commerce_sandbox import Sandbox
from commerce_sandbox.cscart import API_KEY, EMAIL
from tests.sandbox.cscart.support import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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
            arguments: dict[str, Any] = {
                "cscart_release": release,
                "cscart_edition": edition,
                **settings,
            }
            name = tuple(sorted(arguments.items()))
            if name not in stores:
                stores[name] = stack.enter_context(Sandbox(scale=0.05, **arguments))
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
