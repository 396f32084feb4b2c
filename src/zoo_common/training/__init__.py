"""One training loop for both frameworks, and the run directory that holds all it leaves behind."""
