"""Sandboxes, and clients that read them as documented."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from commerce_sandbox import Sandbox
from tests.fixtures import FIXTURES
from tests.sandbox.support import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """A small sandbox that no test changes."""
    with Sandbox(scale=0.1) as running:
        yield running


@pytest.fixture
def own_sandbox() -> Iterator[Sandbox]:
    """A small sandbox for a test that changes it."""
    with Sandbox(scale=0.1) as running:
        yield running


@pytest.fixture
def client_of() -> Iterator[Callable[[Sandbox], Client]]:
    made: list[Client] = []

    def make(sandbox: Sandbox) -> Client:
        made.append(Client(sandbox))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(sandbox: Sandbox, client_of: Callable[[Sandbox], Client]) -> Client:
    return client_of(sandbox)


@pytest.fixture(scope="session")
def big_shop(sandbox: Sandbox) -> str:
    """The path of the data of the connection with most orders, which supports all types."""
    counts: dict[str, int] = {}
    for row in sandbox.truth("commerce_orders"):
        path = f"/companies/{row['companyId']}/connections/{row['connectionId']}/data"
        counts[path] = counts.get(path, 0) + 1
    return max(counts, key=counts.__getitem__)


@pytest.fixture(scope="session")
def official_spec() -> Callable[[str], Path]:
    """Finds an official specification, reduced to facts."""
    return lambda name: FIXTURES / "codat" / f"{name}.json"
