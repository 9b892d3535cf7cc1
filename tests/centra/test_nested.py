"""Lists inside of rows are read to their end, or the run reports that they are not.

The environments here have them in ways the double of Centra has not; graphql-core responds.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest
from graphql import build_schema, graphql_sync

from commerce_taps.errors import PartitionFailed
from tap_centra.integration.introspection import QUERY, Introspection, LiveSchema
from tap_centra.tap import TapCentra

if TYPE_CHECKING:
    from commerce_taps.threads import Once
    from tap_centra.integration.api import IntegrationApi
from tests.centra.test_queries import CONFIG, NOW

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.contract import Record

SCHEMA = """
type Query {
  sizeCharts(where: Where, limit: Int, page: Int): [SizeChart!]!
  productVariants(where: Where, limit: Int, page: Int): [ProductVariant!]!
  orders(limit: Int, page: Int): [Order!]!
  displays(where: Where, limit: Int, page: Int): [Display!]!
}
input Where { id: [Int!] }
type SizeChart { id: Int! name: String! sizes(limit: Int = 20, page: Int = 1): [Size!]! }
type Size { id: Int! name: String! }
type ProductVariant { id: Int! prices(limit: Int = 20, page: Int = 1): [Price!]! }
type Price { id: Int! }
type Order { id: Int! lines(limit: Int = 20, page: Int = 1): [OrderLine!]! }
type OrderLine { id: Int! allocations(limit: Int = 20): [Allocation!]! }
type Allocation { id: Int! }
type Display { id: Int! translations(limit: Int = 20, page: Int = 1): [Translation!]! }
type Translation { fields(limit: Int = 20): [Translated!]! }
type Translated { field: String! value: String }
"""
WITHOUT_IDS = SCHEMA.replace("where: Where, ", "")
BY_CURSOR = """
type SizeCharts { edges: [SizeChartEdge!]! pageInfo: PageInfo! }
type SizeChartEdge { node: SizeChart! }
type ProductVariants { edges: [ProductVariantEdge!]! pageInfo: PageInfo! }
type ProductVariantEdge { node: ProductVariant! }
type PageInfo { hasNextPage: Boolean! endCursor: String }
""" + re.sub(
    r"(sizeChart|productVariant)s\(.*: \[(\w+)!\]!",
    r"\1Connection(first: Int, after: String): \2s!",
    SCHEMA,
)
COUNTS = {1: 450, 2: 3, 3: 200, 4: 201, 5: 0, 6: 199}
"""How many entries each row has."""
WAYS = [
    pytest.param(SCHEMA, id="by their ids"),
    pytest.param(WITHOUT_IDS, id="with the page they are on"),
    pytest.param(BY_CURSOR, id="with what is behind the cursor"),
]


class Environment:
    """An environment whose rows, and their entries, have lists of so many entries inside."""

    def __init__(
        self,
        sdl: str,
        counts: Mapping[int, int] = COUNTS,
        inner: Callable[[int, int], int] = lambda _, __: 0,
    ) -> None:
        """Have no more than that.

        Args:
            sdl: The schema of the environment.
            counts: How many entries the list of each row has.
            inner: How many the list of an entry has, by its row and its number.
        """
        self.counts = dict(counts)
        self.inner = inner
        self.requested: list[str] = []
        self.leaves: dict[int, int] = {}
        self._schema = build_schema(sdl)
        for name in ("SizeChart", "ProductVariant", "Order", "Display"):
            for field in self._fields(name):
                field.resolve = self._entries
        for name in ("OrderLine", "Translation"):
            for field in self._fields(name):
                field.resolve = self._inner
        for field in self._fields("Query"):
            field.resolve = self._rows if "limit" in field.args else self._connection

    def _fields(self, name: str) -> list[Any]:
        fields = self._schema.type_map[name].fields  # type: ignore[attr-defined]
        return [field for field in fields.values() if field.args]

    @staticmethod
    def _page(rows: list[Record], limit: int, page: int = 1) -> list[Record]:
        return rows[(page - 1) * limit : page * limit]

    def _rows(self, *_: Any, where: Any = None, **arguments: Any) -> list[Record]:  # noqa: ANN401
        wanted = (where or {"id": self.counts})["id"]
        return self._page(
            [{"id": n, "name": str(n)} for n in self.counts if n in wanted], **arguments
        )

    def _connection(self, *_: Any, first: int, after: str = "0") -> Record:  # noqa: ANN401
        behind = [{"id": n, "name": str(n)} for n in self.counts if n > int(after)]
        rows = behind[:first]
        end = str(rows[-1]["id"]) if rows else None
        info = {"hasNextPage": len(behind) > first, "endCursor": end}
        return {"edges": [{"node": row} for row in rows], "pageInfo": info}

    def _entries(self, row: Record, _: Any, **arguments: Any) -> list[Record]:  # noqa: ANN401
        entries = [
            {"id": n, "name": str(n), "inner": self.inner(row["id"], n)}
            for n in range(self.counts[row["id"]])
        ]
        return self._page(entries, **arguments)

    def _inner(self, entry: Record, _: Any, **arguments: Any) -> list[Record]:  # noqa: ANN401
        return self._page([{"id": n, "field": str(n)} for n in range(entry["inner"])], **arguments)

    def _fetch(self, kind: Any, query: str, variables: Any = None, **_: Any) -> Any:  # noqa: ANN401
        self.requested.append(query)
        self.counts.pop(self.leaves.get(len(self.requested), 0), None)
        response = graphql_sync(self._schema, query, variable_values=variables)
        assert response.errors is None, response.errors
        return msgspec.json.decode(json.dumps(response.data), type=kind), None

    def read(self, stream: str, **config: Any) -> list[Record]:  # noqa: ANN401
        """Read a stream."""
        made = TapCentra(config=CONFIG | config)
        schema = graphql_sync(self._schema, QUERY).data
        live = LiveSchema(msgspec.convert(schema, Introspection), NOW)
        api = cast("IntegrationApi", made.run.api)
        api._live = cast("Once[LiveSchema]", lambda: live)
        api.fetch_partial = self._fetch  # type: ignore[method-assign]
        pages = made.streams[stream].read(None, None)  # type: ignore[attr-defined]
        return [json.loads(bytes(raw)) for page in pages for raw in page.records]


# --- lists with pages ---------------------------------------------------------------------------


@pytest.mark.parametrize("page_size", [1, 4, 100])
@pytest.mark.parametrize("sdl", WAYS)
def test_paged_column_is_read_completely(sdl: str, page_size: int) -> None:
    found = Environment(sdl).read("size_charts", page_size=page_size)
    assert {row["id"]: [one["id"] for one in row["sizes"]] for row in found} == {
        one: list(range(count)) for one, count in COUNTS.items()
    }


@pytest.mark.parametrize("page_size", [1, 4, 100])
@pytest.mark.parametrize("sdl", WAYS)
def test_paged_nested_list_is_read_completely(sdl: str, page_size: int) -> None:
    rows = Environment(sdl).read("prices", page_size=page_size)
    found = [(row["productVariantId"], row["id"]) for row in rows]
    assert sorted(found) == [(one, n) for one, count in COUNTS.items() for n in range(count)]


@pytest.mark.parametrize("stream", ["size_charts", "prices"])
@pytest.mark.parametrize("sdl", WAYS)
def test_row_removed_during_its_list_fails(sdl: str, stream: str) -> None:
    environment = Environment(sdl)
    environment.leaves = {2: 1}
    with pytest.raises(PartitionFailed, match="kept changing"):
        environment.read(stream)


@pytest.mark.parametrize(("stream", "field"), [("size_charts", "sizes"), ("prices", "prices")])
def test_long_unpaged_list_fails_the_stream(stream: str, field: str) -> None:
    environment = Environment(SCHEMA.replace(", page: Int = 1", ""))
    with pytest.raises(PartitionFailed, match=f"only the first 200 `{field}` of a row can be read"):
        environment.read(stream)


def test_short_unpaged_list_is_read() -> None:
    counts = {one: min(count, 199) for one, count in COUNTS.items()}
    found = Environment(SCHEMA.replace(", page: Int = 1", ""), counts).read("prices")
    assert len(found) == sum(counts.values())


# --- lists inside of entries --------------------------------------------------------------------


@pytest.mark.parametrize("most", [2, 19, 20, 25, 199])
def test_list_inside_an_entry_is_read(most: int) -> None:
    """Line 30 of an order comes with the second page of its lines."""

    def inner(order: int, line: int) -> int:
        return most if (order, line) in {(1, 3), (2, 30)} else 1

    found = Environment(SCHEMA, {1: 5, 2: 45, 3: 1}, inner).read("order_lines", page_size=1)
    assert {
        (row["orderId"], row["id"]): [one["id"] for one in row["allocations"]] for row in found
    } == {
        (order, line): list(range(inner(order, line)))
        for order, count in {1: 5, 2: 45, 3: 1}.items()
        for line in range(count)
    }


def test_list_inside_a_column_is_read() -> None:
    environment = Environment(SCHEMA, {1: 2, 2: 203}, lambda _, n: 30 if n == 202 else 1)
    found = environment.read("displays")
    assert {row["id"]: [len(one["fields"]) for one in row["translations"]] for row in found} == {
        1: [1, 1],
        2: [*[1] * 202, 30],
    }


@pytest.mark.parametrize(
    ("stream", "place"), [("order_lines", "allocations"), ("displays", "translations.fields")]
)
@pytest.mark.parametrize("entry", [1, 201])
def test_list_at_maximum_limit_fails_stream(stream: str, place: str, entry: int) -> None:
    environment = Environment(SCHEMA, {1: 210}, lambda _, n: 200 if n == entry else 0)
    with pytest.raises(PartitionFailed, match=f"only the first 200 `{place}` of a row can be read"):
        environment.read(stream)


def test_limit_is_raised_per_page() -> None:
    """The complexity of a query grows with what it requests, whether it exists or not."""
    environment = Environment(SCHEMA, {1: 1, 2: 1, 3: 1}, lambda order, _: 21 if order == 2 else 1)
    environment.read("order_lines", page_size=1)
    limits = [text.count("allocations(limit: 200)") for text in environment.requested]
    assert limits == [0, 0, 1, 0, 0]
