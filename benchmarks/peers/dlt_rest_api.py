"""dlt's REST API source, declared for Codat as its documentation shows.

Arguments: the API's address, `extract` or `run`, a folder, and the data types.

`extract` reads into dlt's own files, `run` goes on into `dlt.duckdb` in the folder. Nested values
stay JSON in their column (`max_table_nesting: 0`), as a Singer target keeps them.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import dlt
from dlt.sources.rest_api import rest_api_resources

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = (
    "companies/{resources.connections.companyId}/connections/{resources.connections.id}"
    "/data/commerce-"
)


def connections(company: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """Take a company apart into its connections, each a page of its own for what depends on it."""
    for connection in company["dataConnections"]:
        yield [{"id": connection["id"], "companyId": company["id"]}]


def resource(name: str) -> dict[str, Any]:
    """Declare one data type of each connection."""
    endpoint: dict[str, Any] = {"path": f"{DATA}{name}"}
    if name == "info":
        endpoint["paginator"] = "single_page"
    else:
        endpoint["data_selector"] = "results"
    if name not in {"info", "locations"}:
        endpoint["params"] = {"pageSize": 2000, "orderBy": "modifiedDate"}
    return {
        "name": f"commerce_{name}",
        "endpoint": endpoint,
        "include_from_parent": ["companyId", "id"],
        "parallelized": True,
        "max_table_nesting": 0,
    }


def main(url: str, step: str, folder: str, *names: str) -> None:
    """Extract the data types, and load them if the mode is `run`."""
    resources = rest_api_resources(
        {
            "client": {
                "base_url": f"{url}/",
                "headers": {"Authorization": "Basic benchmark"},
                "paginator": {"type": "json_link", "next_url_path": "_links.next.href"},
            },
            "resources": [
                {
                    "name": "connections",
                    "endpoint": {
                        "path": "companies",
                        "params": {"pageSize": 2000},
                        "data_selector": "results",
                    },
                    "processing_steps": [{"yield_map": connections}],
                    "max_table_nesting": 0,
                },
                *map(resource, names),
            ],
        }
    )
    pipeline = dlt.pipeline(
        "benchmark",
        pipelines_dir=folder,
        destination=dlt.destinations.duckdb(f"{folder}/dlt.duckdb"),
        dataset_name="codat",
    )
    if step == "extract":
        pipeline.extract(resources)
        found = pipeline.last_trace.last_extract_info.metrics.values()
        tables = [metrics["table_metrics"] for steps in found for metrics in steps]
        print(sum(t.items_count for one in tables for n, t in one.items() if n[:9] == "commerce_"))
    else:
        pipeline.run(resources)


if __name__ == "__main__":
    main(*sys.argv[1:])
