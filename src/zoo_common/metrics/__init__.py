"""Metrics over a whole evaluation, computed from outputs and labels."""
