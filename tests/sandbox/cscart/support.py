"""Helpers of the tests of the fake CS-Cart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests

from commerce_sandbox.cscart import API_KEY, EMAIL

if TYPE_CHECKING:
    from commerce_sandbox import Sandbox

Record = dict[str, Any]
RELEASES = ("4.9", "4.12", "4.20")
EDITIONS = ("cscart", "multivendor")


class Client:
    """Reads a store as documented."""

    def __init__(self, sandbox: Sandbox, email: str = EMAIL, key: str = API_KEY) -> None:
        self.sandbox = sandbox
        self.url = sandbox.url_of("cscart")
        self._session = requests.Session()
        self._session.auth = (email, key)

    def get(self, path: str, *, version: str = "2.0", **parameters: Any) -> requests.Response:  # noqa: ANN401
        headers = parameters.pop("headers", None)
        prefix = f"/api/{version}/" if version else "/api/"
        url = f"{self.url}{prefix}{path}"
        return self._session.get(url, params=parameters, headers=headers, timeout=30)

    def json(self, path: str, **parameters: Any) -> Any:  # noqa: ANN401
        response = self.get(path, **parameters)
        assert response.status_code == 200, response.text
        return response.json()

    def status(self, path: str, **parameters: Any) -> int:  # noqa: ANN401
        response = self.get(path, **parameters)
        if response.status_code != 200:
            assert response.json()["status"] == response.status_code
        return response.status_code

    def rows(self, path: str, *, size: int = 37, **parameters: Any) -> list[Record]:  # noqa: ANN401
        """Read all pages until one is empty, is not the requested one, or begins as one before."""
        key = path.rpartition("/")[2]
        key = {"product_variations_groups": "groups"}.get(key, key)
        key = {"product_variations": "products", "master_products": "products"}.get(key, key)
        found: list[Record] = []
        seen: list[Record] = []
        for page in range(1, 1000):
            body = self.json(path, page=page, items_per_page=size, **parameters)
            collection = body[key]
            rows = list(collection.values()) if isinstance(collection, dict) else collection
            current = (body["params"] or {}).get("page", page)
            if not rows or int(current) != page or rows[0] in seen:
                return found
            found += rows
            seen.append(rows[0])
        raise AssertionError("the list does not end")

    def close(self) -> None:
        self._session.close()
