"""The core every tap stands on: from partitions over pages and records to Singer messages."""
