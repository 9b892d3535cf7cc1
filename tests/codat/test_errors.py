"""Error responses: what the run does, reports, and leaves for the next run.

The products of one connection fail, those of the others are returned. Whatever the failure, the
run after it, with the state of the first and without the fault, has to bring what is missing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.codat.support import catalog, truth
from tests.contract import bookmarks

if TYPE_CHECKING:
    from commerce_sandbox import Sandbox
    from tests.codat.support import Taps
    from tests.contract import Key, Output, Record
    from tests.runs import Run

PRODUCTS = "commerce_products"
JUST_PRODUCTS = catalog(commerce_products=None)
RETRIES = 2


@pytest.fixture(scope="module")
def shop(_shared: Sandbox) -> str:
    """The connection whose products fail. Others come before and after it."""
    connections = dict.fromkeys(str(row["connectionId"]) for row in _shared.truth(PRODUCTS))
    return list(connections)[1]


def of_shop(shop: str, rows: dict[Key, Record]) -> dict[Key, Record]:
    return {key: row for key, row in rows.items() if key[1] == shop}


def of_others(shop: str, rows: dict[Key, Record]) -> dict[Key, Record]:
    return {key: row for key, row in rows.items() if key[1] != shop}


@dataclass(frozen=True)
class Fault:
    """A response, and its expected effect.

    Attributes:
        status: The status of the response.
        message: What the log contains.
        body: The body; what Codat documents for the status if none.
        headers: Headers besides the usual.
    """

    status: int
    message: str
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


def an_error(text: str) -> Record:
    return {"statusCode": 0, "service": "PublicApi", "error": text, "correlationId": "c0ffee"}


UNSUPPORTED = an_error("Datatype commerce-products not supported by platform(s) Square")

SKIPPED = {
    "404 gone": Fault(404, "there is nothing to read (Not found"),
    "404 not supported": Fault(
        404, "there is nothing to read (Datatype commerce-products not", UNSUPPORTED
    ),
    "409 not synced yet": Fault(
        409, "Codat has not synced it yet (The data set has not been requested"
    ),
    "451 blocked": Fault(451, "blocked for compliance reasons"),
}
FAILED = {
    "403 forbidden": Fault(403, "the key may not read this"),
    "408 took too long": Fault(408, "the server took too long"),
    "500 broken": Fault(500, "the API has an internal error (There is a problem with our server"),
    "502 of a proxy": Fault(502, "an internal error (<h1>Bad Gateway</h1>", "<h1>Bad Gateway</h1>"),
    "404 of a web server": Fault(404, "HTTP 404 in a form that is not the API's", "<h1>404</h1>"),
    "404 without a body": Fault(404, "HTTP 404 in a form that is not the API's", ""),
    "409 of a gateway": Fault(409, "HTTP 409 in a form that is not the API's", {"message": "no"}),
    "451 of a country": Fault(451, "HTTP 451 in a form that is not the API's", "<h1>No</h1>"),
    "418 unforeseen": Fault(418, "unexpected response HTTP 418"),
    "204 without a body": Fault(204, "unexpected response HTTP 204", ""),
    "302 elsewhere": Fault(302, "redirect", "", {"Location": "/codat/companies"}),
    "400 not supported": Fault(
        400, "Codat rejects the request (Datatype commerce-products", UNSUPPORTED
    ),
    "400 for the query": Fault(400, "Error parsing query - Malformed query"),
    "400 for the field": Fault(
        400,
        "Could not resolve property modifiedDate",
        an_error("Error parsing query - Could not resolve property modifiedDate on Dataset"),
    ),
    "200 but a page for people": Fault(
        200, "the response cannot be read", "<html>Sign in</html>", {"content-type": "text/html"}
    ),
    "200 but cut short": Fault(200, "the response cannot be read", '{"results":[{"id":"1"'),
    "200 but empty": Fault(200, "the response cannot be read", ""),
    "200 but no page": Fault(200, "the response cannot be read", [1, 2]),
    "200 but another page": Fault(
        200,
        "page 1 was requested, and the response is page 2",
        {"results": [], "pageNumber": 2, "pageSize": 100, "totalResults": 0, "_links": {}},
    ),
    "200 but rows are missing": Fault(
        200,
        "the response contradicts itself",
        {"results": [], "pageNumber": 1, "pageSize": 100, "totalResults": 3, "_links": {}},
    ),
}
STOPPED = {
    "401 key": Fault(401, "Codat does not accept the key"),
    "402 plan": Fault(402, "the Codat account has reached a limit of its plan"),
    "429 for ever": Fault(429, "rate limit is reached (You have made too many requests in"),
    "503 maintenance": Fault(503, "the API is down for maintenance"),
}


def table(faults: dict[str, Fault]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("fault", faults.values(), ids=faults)


def meet(run: Taps, sandbox: Sandbox, shop: str, fault: Fault, **settings: Any) -> Run:  # noqa: ANN401
    """Run while the products of one connection fail."""
    sandbox.override(
        f"{shop}/data/commerce-products",
        status=fault.status,
        body=fault.body,
        headers=fault.headers,
    )
    ended = run(sandbox, catalog=JUST_PRODUCTS, max_retries=RETRIES, **settings)
    assert fault.message in ended.log
    assert "Traceback" not in ended.log
    assert sandbox.api_key not in ended.log
    return ended


def completes(run: Taps, sandbox: Sandbox, first: Output) -> None:
    """The next run, without the fault, brings the rest."""
    sandbox.clear_overrides()
    second = run(sandbox, catalog=JUST_PRODUCTS, state=first.state)
    assert second.code == 0
    together = first.rows(PRODUCTS) | second.output.rows(PRODUCTS)
    assert together == truth(sandbox, first, PRODUCTS)


def marked(output: Output) -> set[str]:
    """Give the connections that have a bookmark."""
    return {dict(context)["connectionId"] for (_, context), _ in bookmarks(output.state)}


@table(SKIPPED)
def test_ordinary_absence_is_skipped(run: Taps, sandbox: Sandbox, shop: str, fault: Fault) -> None:
    ended = meet(run, sandbox, shop, fault)
    assert ended.code == 0
    assert ended.output.rows(PRODUCTS) == of_others(shop, truth(sandbox, ended.output, PRODUCTS))
    assert shop not in marked(ended.output)
    assert (ended.summary(PRODUCTS)["skipped"], ended.summary(PRODUCTS)["failed"]) == (1, 0)
    assert f"{PRODUCTS}: 1 skipped: {fault.message}" in ended.log
    completes(run, sandbox, ended.output)


@table(FAILED)
def test_failed_partition_does_not_stop_others(
    run: Taps, sandbox: Sandbox, shop: str, fault: Fault
) -> None:
    ended = meet(run, sandbox, shop, fault)
    assert ended.code == 1
    assert ended.output.rows(PRODUCTS) == of_others(shop, truth(sandbox, ended.output, PRODUCTS))
    assert shop not in marked(ended.output)
    assert (ended.summary(PRODUCTS)["skipped"], ended.summary(PRODUCTS)["failed"]) == (0, 1)
    assert re.search(rf"Failed {PRODUCTS} \(companyId=.*, connectionId={shop}\): ", ended.log)
    assert f"{PRODUCTS}: 1 failed: " in ended.log
    completes(run, sandbox, ended.output)


@table(STOPPED)
def test_account_error_stops_run(run: Taps, sandbox: Sandbox, shop: str, fault: Fault) -> None:
    ended = meet(run, sandbox, shop, fault)
    assert ended.code == 1
    assert f"Stopped: {PRODUCTS} (companyId=" in ended.log
    assert ended.output.state == ended.output.states[-1]
    assert shop not in marked(ended.output)
    assert not of_shop(shop, ended.output.rows(PRODUCTS))
    completes(run, sandbox, ended.output)


def test_retries_and_correlation_id_are_reported(run: Taps, sandbox: Sandbox, shop: str) -> None:
    meet(run, sandbox, shop, Fault(500, "(after 3 tries, correlation id c0ffee)", an_error("Oops")))


def test_redirect_is_not_followed(run: Taps, sandbox: Sandbox, shop: str) -> None:
    meet(
        run,
        sandbox,
        shop,
        Fault(302, "redirect", "", {"Location": f"{sandbox.url}/codat/elsewhere"}),
    )
    assert not [one for one in sandbox.requests if "elsewhere" in one.path]


# --- faults that pass ---------------------------------------------------------------------------

PASSING = {
    "408": Fault(408, "the server took too long; try 2 of 2"),
    "500": Fault(500, "try 2 of 2"),
    "503": Fault(503, "the API is down for maintenance"),
    "429 without a wait": Fault(429, "try 2 of 3"),
    "429 and seconds": Fault(429, "try 2 of 3 in 0.1 s.", headers={"Retry-After": "0.12"}),
    "429 and a date that is over": Fault(
        429, "try 2 of 3 in 0.0 s.", headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}
    ),
    "429 and nonsense": Fault(429, "try 2 of 3 in 0.0 s.", headers={"Retry-After": "soon"}),
    "503 and seconds": Fault(503, "try 2 of 3 in 0.1 s.", headers={"Retry-After": "0.12"}),
    "cut short": Fault(200, "try 2 of 3", '{"results":['),
}


@table(PASSING)
def test_temporary_failure_loses_nothing(
    run: Taps, sandbox: Sandbox, shop: str, fault: Fault
) -> None:
    sandbox.override(
        f"{shop}/data/commerce-products",
        status=fault.status,
        body=fault.body,
        headers=fault.headers,
        times=RETRIES,
    )
    ended = run(sandbox, catalog=JUST_PRODUCTS, max_retries=RETRIES)
    assert ended.code == 0
    assert fault.message in ended.log
    assert ended.output.rows(PRODUCTS) == truth(sandbox, ended.output, PRODUCTS)
    assert ended.summary(PRODUCTS)["failed"] == 0


def test_retry_after_date_is_kept(run: Taps, sandbox: Sandbox, shop: str) -> None:
    until = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(seconds=2)
    fault = Fault(429, "", headers={"Retry-After": format_datetime(until, usegmt=True)})
    sandbox.override(f"{shop}/data/", status=fault.status, headers=fault.headers, times=1)
    ended = run(sandbox, catalog=JUST_PRODUCTS)
    assert datetime.now(timezone.utc) >= until
    assert ended.output.rows(PRODUCTS) == truth(sandbox, ended.output, PRODUCTS)


@pytest.mark.parametrize(
    "requests",
    ["3600", format_datetime(datetime.now(timezone.utc) + timedelta(hours=1), usegmt=True)],
    ids=["seconds", "date"],
)
def test_wait_beyond_max_wait_stops_run_with_time(
    run: Taps, sandbox: Sandbox, shop: str, requests: str
) -> None:
    fault = Fault(429, "longer than `max_wait` (60 s)", headers={"Retry-After": requests})
    ended = meet(run, sandbox, shop, fault, max_wait=60)
    assert ended.code == 1
    assert re.search(r"requests a wait until 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC", ended.log)
    completes(run, sandbox, ended.output)


# --- where a fault hits -------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 402, 403, 404, 409, 429, 500, 503])
def test_run_without_companies_stops(run: Taps, sandbox: Sandbox, status: int) -> None:
    sandbox.override("/codat/companies\\?", status=status)
    ended = run(sandbox, max_retries=1)
    assert ended.code == 1
    assert "Stopped: " in ended.log
    assert "Traceback" not in ended.log
    assert not ended.output.records


def test_failure_in_middle_keeps_what_was_read(run: Taps, sandbox: Sandbox, shop: str) -> None:
    # Only requests after the first page have a filter.
    sandbox.override(f"{shop}/data/commerce-products.*query=", status=500)
    ended = run(sandbox, catalog=JUST_PRODUCTS, max_retries=0, page_size=5)
    assert ended.code == 1
    assert shop in marked(ended.output)
    assert of_shop(shop, ended.output.rows(PRODUCTS))
    assert of_others(shop, ended.output.rows(PRODUCTS)) == of_others(
        shop, truth(sandbox, ended.output, PRODUCTS)
    )
    completes(run, sandbox, ended.output)


@pytest.mark.parametrize("status", [403, 404, 500])
def test_failed_partition_keeps_its_bookmark(
    run: Taps, own_sandbox: Sandbox, shop: str, status: int
) -> None:
    first = run(own_sandbox, catalog=JUST_PRODUCTS).output
    own_sandbox.mutate(changes=60, inserts=20, stream=PRODUCTS)
    own_sandbox.override(f"{shop}/data/", status=status)
    second = run(own_sandbox, catalog=JUST_PRODUCTS, max_retries=0, state=first.state).output
    before, after = dict(bookmarks(first.state)), dict(bookmarks(second.state))
    moved = {
        dict(context)["connectionId"]
        for stream, context in before
        if before[stream, context] != after[stream, context]
    }
    assert moved
    assert shop not in moved
    own_sandbox.clear_overrides()
    third = run(own_sandbox, catalog=JUST_PRODUCTS, state=second.state).output
    together = first.rows(PRODUCTS) | second.rows(PRODUCTS) | third.rows(PRODUCTS)
    assert together == truth(own_sandbox, first, PRODUCTS)


@pytest.mark.parametrize("stream", ["pull_operations", "push_operations"])
def test_operations_with_rejected_filter_are_read_unfiltered(
    run: Taps, sandbox: Sandbox, stream: str
) -> None:
    only = catalog(**{stream: None})
    first = run(sandbox, catalog=only).output
    body = an_error("Error parsing query - Could not resolve property requested on Dataset")
    sandbox.override("query=", status=400, body=body)
    refused = run(sandbox, catalog=only, state=first.state)
    assert refused.code == 0
    sandbox.clear_overrides()
    unrefused = run(sandbox, catalog=only, state=first.state)
    assert refused.output.timeless() == unrefused.output.timeless()
    assert refused.output.records


# --- connections --------------------------------------------------------------------------------


def test_slow_request_is_repeated(run: Taps, sandbox: Sandbox, shop: str) -> None:
    sandbox.override(f"{shop}/data/", delay=1.5, times=1)
    ended = run(sandbox, catalog=JUST_PRODUCTS, request_timeout=0.5)
    assert "no response within `request_timeout`" in ended.log
    assert ended.code == 0
    assert ended.output.rows(PRODUCTS) == truth(sandbox, ended.output, PRODUCTS)
