"""A sandbox for all tests of it, and a client that speaks to it as the documentation says."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
import requests

from commerce_sandbox import Sandbox
from tests.fixtures import FIXTURES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Record = dict[str, Any]


class Client:
    """Reads Codat's double."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.url = sandbox.codat_url
        self._session = requests.Session()
        key = base64.b64encode(sandbox.api_key.encode()).decode()
        self._session.headers["Authorization"] = f"Basic {key}"

    def get(self, path: str, **parameters: Any) -> requests.Response:  # noqa: ANN401
        return self._session.get(f"{self.url}/{path.lstrip('/')}", params=parameters, timeout=30)

    def json(self, path: str, **parameters: Any) -> Any:  # noqa: ANN401
        response = self.get(path, **parameters)
        assert response.status_code == 200, response.text
        return response.json()

    def error(self, path: str, **parameters: Any) -> tuple[int, str]:  # noqa: ANN401
        response = self.get(path, **parameters)
        body = response.json()
        assert body["statusCode"] == response.status_code
        return response.status_code, body["error"]

    def pages(self, path: str, **parameters: Any) -> Iterator[Any]:  # noqa: ANN401
        page = self.json(path, **parameters)
        yield page
        while "next" in page["_links"]:
            page = self.json(page["_links"]["next"]["href"])
            yield page

    def rows(self, path: str, **parameters: Any) -> list[Record]:  # noqa: ANN401
        return [row for page in self.pages(path, **parameters) for row in page["results"]]

    def close(self) -> None:
        self._session.close()


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
