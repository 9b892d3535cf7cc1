"""The records of the Order API, made from the same rows as those of the Integration API.

They are neutral here: ids are numbers, flags are true or false, timestamps are `Timestamp`s, and
what is absent is none. `order_format` writes them as the API does, `order_truth` as a perfect
extraction has them.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from commerce_sandbox.centra.orders import adds_tax
from commerce_sandbox.centra.values import DAY, Row, settled

Record = dict[str, Any]


class Timestamp(msgspec.Struct, frozen=True):
    """A timestamp of a record.

    Attributes:
        at: Seconds of Unix time.
        form: How the API writes it: `second`, `minute` or `day` of the merchant's clocks, or `iso`
            with its offset.
    """

    at: int
    form: str = "second"


class Id(int):
    """An id that the API writes as text."""


class Flag(msgspec.Struct, frozen=True):
    """A boolean that the API writes as 1 or 0."""

    value: bool


_STATUS: Final = {
    "PENDING": "pending",
    "CONFIRMED": "confirmed",
    "PROCESSING": "processing",
    "SHIPPED": "completed",
    "ARCHIVED": "archived",
    "CANCELLED": "deleted",
}


def order(row: Row) -> Record:
    """Make the record of an order."""
    total = row["totals"]
    return _head(row) | {
        "orderStatus": _STATUS[row["status"]],
        "marketId": row["market"]["id"],
        "pricelistId": row["pricelist"]["id"],
        "ipAddress": row["userIP"] or "",
        "paymentPlugin": row["paymentMethod"]["plugin"],
        "paymentType": "inv" if "account" in row else "cc",
        "paymentDescription": row["paymentMethod"]["name"],
        "paymentReference": row["paymentHistory"][0]["externalReference"],
        "paymentMethod": row["paymentMethod"]["uri"],
        "internalOrder": Flag(row["isInternal"]),
        "waitingForPayment": Flag(row["isWaitingForPayment"]),
        "shipments": [
            {
                "shipmentId": one["number"],
                "shippedDate": _timestamp(one["shippedAt"]),
                "carrier": one["carrierInformation"]["carrierName"],
                "service": one["carrierInformation"]["serviceName"],
                "trackingId": one["trackingNumber"] or "",
                "trackingUrl": "",
                "returnSlipTracking": "",
            }
            for one in row["shipments"]
        ],
        "totalItemsPriceTax": round(total["taxIncluded"]["value"] + total["taxAdded"]["value"], 2),
        "totalItemsPrice": total["lineValues"]["value"],
        "totalItemsWithoutTax": round(
            total["lineValues"]["value"] / (1 if adds_tax(row) else 1.25), 2
        ),
        "totalItemsDiscount": total["discounts"]["value"],
        "discounts": _discounts(row),
        "products": [_line(line, line["quantity"]) for line in row["lines"]],
        **({"shipwallet_sessionId": f"sw-{row['number']}"} if row["number"] % 7 == 0 else {}),
    }


def shipment(row: Row) -> Record:
    """Make the record of a shipment."""
    parent = row["order"]
    account = parent.get("account")
    terms = [account["shippingTerms"], account["paymentTerms"]] if account else [None, None]
    return _head(parent) | {
        "shipmentId": row["number"],
        "shippingTerms": _terms(terms[0]),
        "paymentTerms": _terms(terms[1]),
        "proforma": f"https://files.example.com/proforma/{row['id']}.pdf",
        "deliveryNote": f"https://files.example.com/note/{row['id']}.pdf",
        "deliveryService": row["carrierInformation"]["serviceName"],
        "shipmentDate": _timestamp(row["shippedAt"]),
        "trackingNumber": row["trackingNumber"] or "",
        "trackingUrl": "",
        "returnSlipTracking": "",
        "invoices": [],
        "paid": Flag(row["isPaid"]),
        "shouldCapture": Flag(not row["isCaptured"]),
        "products": [_line(one["orderLine"], one["quantity"]) for one in row["lines"]],
    }


def returned(row: Row) -> Record:
    """Make the record of a return. Ids are numbers here, flags are true and false."""
    parent = row["order"]
    customer_row = row.get("customer")
    return {
        "returnId": row["id"],
        "completed": row["returnStatus"] == "COMPLETED",
        "shipment": row["shipment"]["number"],
        "shipmentId": row["shipment"]["id"],
        "orderId": parent["number"],
        "selectionId": parent["id"],
        "customerId": customer_row["id"] if customer_row else None,
        "date": Timestamp(row["createdAt"]),
        "marketId": parent["market"]["id"],
        "pricelistId": parent["pricelist"]["id"],
        "returnCost": row["totals"]["returnCost"]["value"],
        "shippingCost": 0,
        "handlingCost": 0,
        "voucherValue": 0,
        "taxValue": round(row["grandTotal"]["value"] - row["_grandTotalExcludingTax"]["value"], 2),
        "taxDeduction": 0,
        "currency": row["grandTotal"]["currency"]["code"],
        "baseCurrency": "EUR",
        "baseCurrencyRate": row["currencyBaseRate"],
        "returnToStock": row["returnedToStock"],
        "comment": row["comment"],
        "createdFrom": row["createdFrom"] or "",
        "products": [
            {
                "returnLineId": one["id"],
                "shipmentLineId": one["shipmentLine"]["id"],
                "orderLineId": one["orderLine"]["id"],
                "productId": one["orderLine"]["product"]["id"],
                "variantId": one["orderLine"]["productVariant"]["id"],
                "productName": one["orderLine"]["productName"],
                "productBrand": one["orderLine"]["brand"]["name"],
                "variantName": one["orderLine"]["productVariantName"],
                "size": one["orderLine"]["size"],
                **_codes(one["orderLine"]),
                "quantity": 1,
                "price": one["orderLine"]["unitPrice"]["value"],
            }
            for one in row["lines"]
        ],
    }


def _timestamp(at: int | None) -> Timestamp | None:
    return None if at is None else Timestamp(at)


def _terms(row: Row | None) -> Record | None:
    if row is None:
        return None
    return {"id": row["id"], "name": row["description"], "description": row["description"]}


def _codes(line: Row) -> Record:
    size = line["productSize"]
    return {
        "sku": line["productNumber"],
        "variantSku": line["productVariant"]["variantNumber"],
        "sizeSku": size["sizeNumber"],
        "ean": size["EAN"],
        "upc": size["UPC"] or "",
    }


def _head(row: Row) -> Record:
    """Make the columns that the records of an order and its shipments share."""
    account, buyer = row.get("account"), row.get("customer")
    totals = row["totals"]
    tax = round(totals["taxIncluded"]["value"] + totals["taxAdded"]["value"], 2)
    return {
        "orderId": Id(row["number"]),
        "selectionId": row["id"],
        "orderDate": Timestamp(row["orderDate"]),
        "cancelDate": None,
        "preferredDeliveryDate": Timestamp(settled(row["orderDate"] + 9 * DAY))
        if account
        else None,
        "estimatedDeliveryDate": None,
        "orderStore": row["store"]["name"],
        "orderCurrency": row["grandTotal"]["currency"]["code"],
        "customerId": Id(buyer["id"]) if buyer else None,
        "accountId": Id(account["id"]) if account else None,
        **_address("delivery", row["shippingAddress"], "deliveryCell"),
        **_address("billing", row["billingAddress"], "billingVAT"),
        "poNumber": row.get("purchaseOrderNumber", ""),
        "shippingList": row["shippingPriceGroup"]["shippingOption"]["name"],
        "suspect": Flag(value=False),
        "hold": Flag(row["isOnHold"]),
        "shippingValue": totals["shipping"]["value"],
        "voucherValue": totals["discounts"]["value"],
        "grandTotalValue": row["grandTotal"]["value"],
        "grandTotalTaxValue": tax,
        "taxAdded": totals["taxAdded"]["value"],
        "taxDeducted": 0,
        "internalComment": row["internalComment"] or "",
        "otherComment": row["otherComment"],
        "defaultCarrier": "DHL",
        "taxBreakdown": [{"description": "VAT", "taxPercent": 25, "value": tax}],
    }


def _address(prefix: str, place: Row, last: str) -> Record:
    names = {
        "Name": f"{place['firstName']} {place['lastName']}",
        "Company": place["companyName"] or "",
        "Email": place["email"],
        "Tele": place["phoneNumber"] or "",
        "Address": place["address1"],
        "Coaddress": place["address2"] or "",
        "Zipcode": place["zipCode"],
        "City": place["city"],
        "State": place["stateOrProvince"] or "",
        "Country": place["country"]["code"],
    }
    made = {f"{prefix}{name}": value for name, value in names.items()}
    column = "vatNumber" if last == "billingVAT" else "cellPhoneNumber"
    return made | {last: place[column] or ""}


def _discounts(row: Row) -> Record:
    applied = row["discountsApplied"]
    value = row["totals"]["discounts"]["value"]
    return {
        "anyDiscount": bool(applied),
        "discount": f"{value:.2f}",
        "discountAsNumber": value,
        "vouchers": [
            {
                "voucher": one["voucher"]["code"] or "",
                "name": one["_name"],
                "priceOff": f"{one['value']['value']:.2f}",
                "priceOffAsANumber": one["value"]["value"],
                "description": "",
                "isCredit": False,
                "originalPriceOff": f"{one['value']['value']:.2f}",
                "originalPriceOffAsNumber": one["value"]["value"],
            }
            for one in applied
        ],
        "automaticDiscounts": [],
    }


def _line(line: Row, quantity: int) -> Record:
    price, original = line["unitPrice"]["value"], line["unitOriginalPrice"]["value"]
    total = round(price * quantity, 2)
    product = line["product"]
    net, tax = (1, 0.25) if adds_tax(line["_order"]) else (0.8, 0.2)
    return {
        "lineId": Id(line["id"]),
        **_codes(line),
        "name": line["productName"],
        "variant": line["productVariantName"],
        "brand": line["brand"]["name"],
        "size": line["size"],
        "qty": quantity,
        "originalPrice": original,
        "price": price,
        "weight": product["weight"]["value"] if product["weight"] else 0,
        "weightUnit": "kg",
        "countryOfOrigin": product["countryOfOrigin"]["code"],
        "harmCode": product["harmonizedCommodityCode"],
        "comment": line["comment"] or "",
        "otherComment": "",
        "taxPercent": line["taxPercent"],
        "priceDiscount": round(original - price, 2),
        "priceDiscountAsPercent": line["discountPercent"],
        "taxValue": round(price * tax, 2),
        "totalTaxValue": round(total * tax, 2),
        "totalPrice": total,
        "totalPriceWithoutTax": round(total * net, 2),
        "totalPriceWithTax": round(total * (net + tax), 2),
        "anyDiscount": line["hasAnyDiscount"],
        "priceEachWithoutTax": round(price * net, 2),
        "priceEachReduction": round(original - price, 2),
        "warehouses": [
            {"name": one["warehouse"]["name"], "itemQty": one["quantity"]}
            for one in line["allocations"]
        ],
        "isBundle": product["isBundle"],
        "isPartOfBundle": Id(0),
        "bundle": [],
        "localizedSize": {
            "localizedSize": line["size"],
            "localizationDefinitionName": "EU",
        },
    }
