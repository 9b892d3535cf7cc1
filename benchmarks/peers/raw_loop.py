"""The limit everybody knows: a loop over the pages, orjson in, orjson out.

Arguments: the name of a loop, and the address of its list.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import orjson
import requests

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Rows = Iterable[dict[str, Any]]

SESSION = requests.Session()
SESSION.headers["Authorization"] = "Basic benchmark"


def main(loop: str, url: str) -> None:
    """Write each record as a RECORD message."""
    out = sys.stdout.buffer
    for stream, rows in LOOPS[loop](url):
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


LOOPS = {"codat": codat, "cscart_orders": cscart_orders, "cscart_products": cscart_products}

if __name__ == "__main__":
    main(*sys.argv[1:])
