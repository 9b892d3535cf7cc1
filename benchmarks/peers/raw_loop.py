"""The limit everybody knows: a loop over the pages, orjson in, orjson out.

Arguments: the address of the list, and a page size.
"""

from __future__ import annotations

import sys

import orjson
import requests


def main(url: str, page_size: str) -> None:
    """Write each record as a RECORD message."""
    session = requests.Session()
    session.headers["Authorization"] = "Basic benchmark"
    out = sys.stdout.buffer
    number = 1
    while True:
        parameters = {"page": str(number), "pageSize": page_size, "orderBy": "modifiedDate"}
        page = orjson.loads(session.get(url, params=parameters, timeout=120).content)
        for record in page["results"]:
            message = {"type": "RECORD", "stream": "commerce_orders", "record": record}
            out.write(orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE))
        if "next" not in page["_links"]:
            return
        number += 1


if __name__ == "__main__":
    main(*sys.argv[1:])
