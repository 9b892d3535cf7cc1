"""The records of the Order API about goods, consumers, vouchers and stock. See `order_records`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commerce_sandbox.centra.order_records import Flag, Id, Record, Timestamp
from commerce_sandbox.centra.values import DAY, Row, settled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from commerce_sandbox.centra.store import Store


def item(size: Row) -> Record:
    """Make the record of a size in the list of products."""
    variant, product = size["productVariant"], size["productVariant"]["product"]
    displays = product["displays"]
    display = displays[0] if displays else None
    return _common(size) | {
        "folder": product["folder"]["name"],
        "name": display["name"] if display else "",
        "description": display["description"] if display else "",
        "shortDescription": (display["shortDescription"] or "") if display else "",
        "comment": product["internalComment"] or "",
        "metaTitle": display["metaTitle"] if display else "",
        "metaDescription": display["metaDescription"] if display else "",
        "metaKeywords": "",
        "store": display["store"]["name"] if display else "",
        "categories": [one["name"] for one in display["categories"]] if display else [],
        "images": [one["source"]["url"] for one in product["media"]],
        "prices": [
            {
                "id": Id(price["pricelist"]["id"]),
                "price": price["price"]["value"],
                "pricelist": price["pricelist"]["name"],
                "currency": price["pricelist"]["currency"]["code"],
                "campaigns": [],
            }
            for price in variant["prices"]
        ],
    }


def stock(size: Row, warehouses: frozenset[int] | None = None) -> Record:
    """Make the record of a size in the list of stock.

    Args:
        warehouses: The warehouses that count; all if none.
    """
    rows = [
        row for row in size["stock"] if warehouses is None or row["warehouse"]["id"] in warehouses
    ]
    return _common(size) | {
        f"{name}Stock": sum(row[f"{name}Quantity"] for row in rows)
        for name in ("physical", "allocated", "available")
    }


def attributes(size: Row) -> Record:
    """Make the columns that `include=attributes` adds to a size."""
    sets = size["productVariant"]["product"]["attributes"]
    return {
        "attributes": {
            one["type"]["name"]: {part["key"]: part.get("value") for part in one["elements"]}
            for one in sets
        }
    }


def _common(size: Row) -> Record:
    variant = size["productVariant"]
    product = variant["product"]
    size_weight = size["weight"] or product["weight"]
    category = product["_category"]
    return {
        "sku": product["productNumber"],
        "productId": product["id"],
        "variantSku": variant["variantNumber"],
        "variantId": variant["id"],
        "sizeSku": size["sizeNumber"],
        "brand": product["brand"]["name"],
        "collection": product["collection"]["name"] if product["collection"] else None,
        "product": product["name"],
        "variant": variant["name"],
        "size": size["size"]["name"],
        "sizeComment": size["description"] or "",
        "stockItemId": size["id"],
        "ean": size["EAN"],
        "upc": size["UPC"],
        "weight": size_weight["value"] if size_weight else 0,
        "weightUnit": "kg",
        "countryOfOrigin": product["countryOfOrigin"]["code"],
        "harmCode": product["harmonizedCommodityCode"],
        "harmDescription": product["harmonizedCommodityCodeDescription"],
        "active": Flag(size["isActive"]),
        "createdAt": Timestamp(product["createdAt"]),
        "categoryName": category["name"] if product["displays"] else None,
    }


def customer(row: Row) -> Record:
    """Make the record of a consumer. The flags are true and false here."""
    place = row["billingAddress"]
    return {
        "customerId": Id(row["id"]),
        "email": row["email"],
        "firstName": row["firstName"],
        "lastName": row["lastName"],
        "address1": place["address1"],
        "address2": place["address2"] or "",
        "zipCode": place["zipCode"],
        "city": place["city"],
        "state": place["stateOrProvince"] or "",
        "country": place["country"]["code"],
        "phoneNumber": row["cellPhoneNumber"],
        "newsletter": row["_newsletter"],
        "gender": (row["gender"] or "").lower(),
        "registered": row["_registered"],
        "consents": [
            {
                "key": "newsletter",
                "name": "Newsletter",
                "consented": True,
                "text": "Yes, send me news",
                "language": row["language"]["languageCode"],
                "version": "1",
                "created": Timestamp(row["createdAt"]),
                "modified": Timestamp(row["createdAt"]),
            }
        ]
        if row["_newsletter"]
        else [],
        "created": Timestamp(row["createdAt"]),
        "modified": Timestamp(row["updatedAt"]),
    }


def voucher(row: Row) -> Record:
    """Make the record of a voucher."""
    by_price = row["type"] == "PRICE_OFF"
    return {
        "id": row["id"],
        "name": row["name"],
        "code": row["code"] or "",
        "conversionHtml": "",
        "startDate": Timestamp(row["startAt"], "day"),
        "stopDate": None if row["stopAt"] is None else Timestamp(row["stopAt"], "day"),
        "type": "priceoff" if by_price else "percentoff",
        "value": None if by_price else f"{row['_percent']}.00",
        "valueByPricelist": {"1": row["_percent"], "2": row["_percent"] * 10} if by_price else {},
        "store": 1,
        "markets": [1, 2],
        "limit": row["maxUsages"] or 0,
        "status": row["status"].lower(),
        "priority": 0,
        "createdAt": Timestamp(row["createdAt"]),
    }


def allocation_requests(store: Store) -> Iterator[tuple[str, Record]]:
    """Return the requests for stock of other warehouses, each with its status."""
    statuses = ("allocated", "sent", "confirmed", "rejected", "timed-out")
    for number, row in enumerate(store.orders.orders, 1):
        if not row["_requested"]:
            continue
        status = statuses[row["number"] % len(statuses)]
        warehouse = store.setup.warehouses[number % 3 + 2]
        created = settled(row["createdAt"] + 300)
        yield (
            status,
            {
                "id": number,
                "status": status,
                "warehouseId": warehouse["id"],
                "warehouseName": warehouse["name"],
                "expirationDate": Timestamp(settled(created + DAY), "iso"),
                "order": {"id": row["id"], "number": row["number"]},
                "lines": [
                    {
                        "lineId": line["id"],
                        "quantity": line["quantity"],
                        "stockItemId": line["productSize"]["id"],
                    }
                    for line in row["lines"]
                ],
                "createdAt": Timestamp(created, "iso"),
            },
        )
