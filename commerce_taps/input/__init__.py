"""What a user hands in, checked: settings, catalog, state and the command line."""
