"""JSON schemas, one file a stream, written by `scripts/generate_codat_schemas.py`."""
