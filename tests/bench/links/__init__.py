"""Calls on bad links."""
