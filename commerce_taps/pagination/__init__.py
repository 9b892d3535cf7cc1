"""The pages of a list, read so that no row slips between two of them."""
