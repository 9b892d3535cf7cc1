"""Singer tap for CS-Cart and Multi-Vendor."""
