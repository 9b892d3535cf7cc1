"""A record on its way: out of a response, checked, normalized, selected and mapped."""
