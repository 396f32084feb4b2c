"""Drawings of graphs as SVG: a scene of boxes and wires, laid out in rows (Sugiyama), written as a document."""
