"""A Singer target for DuckDB: every digit, every row, at the speed of DuckDB."""
