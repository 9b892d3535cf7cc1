"""The Order API's records of purchases from suppliers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commerce_sandbox.centra.order_records import Id, Record, Timestamp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from commerce_sandbox.centra.store import Store
    from commerce_sandbox.centra.values import Row

WAREHOUSE = 1
"""The warehouse of the plugin, whose deliveries it sees."""


def orders(store: Store) -> Iterator[Row]:
    """Return the purchase orders that suppliers have confirmed."""
    return (row for row in store.stock.purchase_orders if row["status"] == "CONFIRMED")


def deliveries(store: Store) -> Iterator[Row]:
    """Return the deliveries that wait to be accepted, in the plugin's warehouse."""
    for row in store.stock.deliveries:
        if row["status"] == "INSERTED" and row["warehouse"]["id"] == WAREHOUSE:
            yield row


def order(row: Row) -> Record:
    """Make the record of a purchase order in the list of them."""
    return {"orderId": Id(row["id"]), **_head(row, row["lines"])}


def order_details(row: Row) -> Record:
    """Make the record of one purchase order, with its lines."""
    return order(row) | {"products": [_product(line) for line in row["lines"]]}


def delivery(row: Row) -> Record:
    """Make the record of a delivery in the list of them."""
    parent = row["purchaseOrder"]
    ids = {"id": Id(row["id"]), "orderId": Id(parent["id"]), "deliveryId": row["number"]}
    return ids | _head(parent | {"createdAt": row["createdAt"]}, row["lines"])


def delivery_items(row: Row) -> Record:
    """Make the record of one delivery, with its lines."""
    return delivery(row) | {"products": [_product(line) for line in row["lines"]]}


def delivery_details(row: Row, store: Store) -> Record:
    """Make the record of one delivery, with the orders that wait for it."""
    waiting = [one for one in store.orders.orders if "account" in one]
    parent = waiting[row["id"] % len(waiting)]
    account, place = parent["account"], parent["shippingAddress"]
    found = {
        "orderId": Id(parent["number"]),
        "accountId": Id(account["id"]),
        "accountName": account["name"],
        "buyer": f"{parent['buyer']['firstName']} {parent['buyer']['lastName']}",
        "carrier": account["carrierInformation"]["carrierName"],
        "service": account["carrierInformation"]["serviceName"],
        "other": "",
        "paymentTerms": account["paymentTerms"]["description"],
        "shippingTerms": account["shippingTerms"]["description"],
        "poNumber": parent["purchaseOrderNumber"],
        "deliveryName": f"{place['firstName']} {place['lastName']}",
        "deliveryCompany": place["companyName"],
        "deliveryEmail": place["email"],
        "deliveryCell": place["cellPhoneNumber"],
        "deliveryTele": "",
        "deliveryAddress": place["address1"],
        "deliveryCoaddress": place["address2"] or "",
        "deliveryZipcode": place["zipCode"],
        "deliveryCity": place["city"],
        "deliveryState": place["stateOrProvince"] or "",
        "deliveryCountry": place["country"]["code"],
        "products": [_product(line) for line in row["lines"]],
    }
    return delivery(row) | {"orders": [found]}


def _head(row: Row, lines: list[Row]) -> Record:
    etd = row["confirmedETD"]
    return {
        "supplierName": row["supplier"]["name"],
        "supplierCountry": row["supplierAddress"]["country"]["code"],
        "created": Timestamp(row["createdAt"], "minute"),
        "ETD": None if etd is None else Timestamp(etd, "minute"),
        "ETA": Timestamp(row["ETA"], "minute"),
        "message": row["externalComment"],
        "productsQty": sum(line["quantity"] for line in lines),
    }


def _product(line: Row) -> Record:
    size = line["productSize"]
    variant = size["productVariant"]
    product = variant["product"]
    return {
        "sku": product["productNumber"],
        "variantSku": variant["variantNumber"],
        "sizeSku": size["sizeNumber"],
        "brand": product["brand"]["name"],
        "collection": product["collection"]["name"] if product["collection"] else "",
        "product": product["name"],
        "variant": variant["name"],
        "size": size["size"]["name"],
        "ean": size["EAN"],
        "upc": size["UPC"] or "",
        "weight": product["weight"]["value"] if product["weight"] else 0,
        "weightUnit": "kg",
        "quantity": line["quantity"],
        "cost": f"{line['unitCost']['value']:.2f}",
        "costCurrency": line["unitCost"]["currency"]["code"],
    }
