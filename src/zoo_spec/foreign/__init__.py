"""What other projects call the same weights, and what their settings say that weights do not."""
