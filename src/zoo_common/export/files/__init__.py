"""Formats of files that need no framework, one a module."""
