"""What the client has set up, and the events that report changes."""

from __future__ import annotations

import typing as t

from tap_centra.integration.stream import IntegrationStream


class Stores(IntegrationStream):
    """Stores, for consumers or for retailers."""

    name = "stores"
    root = "stores"
    type_name = "Store"


class Markets(IntegrationStream):
    """Markets of stores."""

    name = "markets"
    root = "markets"
    type_name = "Market"


class Pricelists(IntegrationStream):
    """Pricelists of stores."""

    name = "pricelists"
    root = "pricelists"
    type_name = "Pricelist"


class Countries(IntegrationStream):
    """Countries, with their states or provinces."""

    name = "countries"
    root = "countries"
    type_name = "Country"


class Currencies(IntegrationStream):
    """Currencies."""

    name = "currencies"
    root = "currencies"
    type_name = "Currency"


class Languages(IntegrationStream):
    """Languages."""

    name = "languages"
    root = "languages"
    type_name = "Language"


class AdminUsers(IntegrationStream):
    """People who use the admin."""

    name = "admin_users"
    root = "adminUsers"
    type_name = "AdminUser"


class Events(IntegrationStream):
    """Changes that the integration of the token has not confirmed, the oldest first.

    They are read only and never confirmed, so the same ones come again.
    """

    name = "events"
    root = "events"
    type_name = "Event"
    selected_by_default = False


STREAMS: t.Final = (
    Stores,
    Markets,
    Pricelists,
    Countries,
    Currencies,
    Languages,
    AdminUsers,
    Events,
)
