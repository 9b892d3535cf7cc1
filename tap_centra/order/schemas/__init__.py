"""Columns of the streams of the Order API."""
