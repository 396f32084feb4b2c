"""Spec files: read, merged with what they extend, explained where they are wrong, shown and described to editors."""
