"""Singer tap for Codat."""
