"""JSON schemas, one file a stream; `quirks` decides what the types of the columns are."""
