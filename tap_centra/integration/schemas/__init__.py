"""Columns of the streams of the Integration API."""
