"""Compares what a shop answers about imported orders with the retail source.

Nothing here is shared with the seeder: the rules of its README are written down a second time, so
that a mistake of either is found.
"""
