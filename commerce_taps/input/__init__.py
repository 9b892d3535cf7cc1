"""Validates what the user passes in: settings, catalog, state and the command line."""
