"""Proof that both frameworks compute the same thing, level by level."""
