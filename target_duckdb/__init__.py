"""A Singer target for DuckDB that keeps every row and every digit."""
