"""The streams of tap-centra, a module for each of the two APIs."""
