"""The Order API: REST, over what one plugin on one store may see."""
