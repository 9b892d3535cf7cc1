"""Singer tap for Centra."""
