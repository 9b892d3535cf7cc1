"""The limit everybody knows: a loop over the pages, orjson in, orjson out.

Arguments: the name of a loop, the address of its list, and for GraphQL a file with the queries.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Rows = Iterable[dict[str, Any]]

SESSION = requests.Session()
SESSION.headers["Authorization"] = "Basic benchmark"


def main(loop: str, *arguments: str) -> None:
    """Write each record as a RECORD message."""
    out = sys.stdout.buffer
    for stream, rows in LOOPS[loop](*arguments):
        for record in rows:
            message = {"type": "RECORD", "stream": stream, "record": record}
            out.write(orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE))


def fetch(url: str, **parameters: str | int) -> Any:  # noqa: ANN401 - JSON
    """Fetch and decode a page."""
    response = SESSION.get(url, params=parameters, timeout=120)
    response.raise_for_status()
    return orjson.loads(response.content)


def codat(url: str) -> Iterator[tuple[str, Rows]]:
    """Read a list of orders."""
    number, more = 1, True
    while more:
        page = fetch(url, page=number, pageSize=2000, orderBy="modifiedDate")
        yield "commerce_orders", page["results"]
        number, more = number + 1, "next" in page["_links"]


def cscart_orders(url: str) -> Iterator[tuple[str, Rows]]:
    """Read orders, their columns that only a plain list has, and their lines."""
    number, size, more = 1, 50, True
    order = {"sort_by": "order_id", "sort_order": "asc"}
    while more:
        page = fetch(url, get_orders_data=1, page=number, items_per_page=size, **order)
        ids = ",".join(row["order_id"] for row in page["orders"])
        plain = fetch(url, order_id=ids, page=1, items_per_page=size)["orders"]
        listed = {row["order_id"]: row for row in plain}
        orders = [{**listed[row["order_id"]], **row} for row in page["orders"]]
        yield "orders", orders
        yield "order_items", (line for row in orders for line in row["products"].values())
        number, more = number + 1, number * size < int(page["params"]["total_items"])


def cscart_products(url: str) -> Iterator[tuple[str, Rows]]:
    """Read products with their texts."""
    number, size, more = 1, 100, True
    extensions = "description full_description meta_data search_words page_title promo_text"
    texts = "&".join(f"extend[]={name}" for name in f"{extensions} popularity companies".split())
    order = {"sort_by": "updated_timestamp", "sort_order": "asc"}
    while more:
        page = fetch(f"{url}?{texts}", page=number, items_per_page=size, **order)
        yield "products", page["products"]
        number, more = number + 1, number * size < int(page["params"]["total_items"])


def centra_order(url: str) -> Iterator[tuple[str, Rows]]:
    """Read orders and their lines from the Order API."""
    offset, size, more = 0, 100, True
    while more:
        orders = fetch(url, limit=size, offset=offset)["orders"]
        yield "orders", orders
        yield "order_lines", lines(orders, "products", ("orderId", "orderDate"))
        offset, more = offset + size, len(orders) == size


def centra_integration(url: str, queries: str) -> Iterator[tuple[str, Rows]]:
    """Read orders from the Integration API, and their lines, with the queries of the tap."""
    for query in orjson.loads(Path(queries).read_bytes()):
        number, size, more = 1, 100, True
        is_lines = "nested:" in query
        while more:
            variables = {"rows_where": {}, "rows_limit": size, "rows_page": number}
            response = SESSION.post(url, json={"query": query, "variables": variables}, timeout=120)
            response.raise_for_status()
            rows = orjson.loads(response.content)["data"]["rows"]
            if is_lines:
                yield "order_lines", lines(rows, "nested", ("id", "number", "updatedAt"))
            else:
                yield "orders", rows
            number, more = number + 1, len(rows) == size


def lines(orders: Rows, name: str, columns: tuple[str, ...]) -> Rows:
    """Take the lines out of orders, each with columns of its order."""
    for order in orders:
        own = {f"order_{column}": order[column] for column in columns}
        for line in order[name]:
            yield {**own, **line}


LOOPS: dict[str, Callable[..., Iterator[tuple[str, Rows]]]] = {
    "codat": codat,
    "cscart_orders": cscart_orders,
    "cscart_products": cscart_products,
    "centra_integration": centra_integration,
    "centra_order": centra_order,
}

if __name__ == "__main__":
    main(*sys.argv[1:])
