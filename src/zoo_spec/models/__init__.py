"""The architectures: a family's fields in, its graph out. One file a family."""
