"""Tokenizers: text to ids and back, whatever library and file they are of."""
