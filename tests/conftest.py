"""Shared by all tests. Its place also puts the root of the tree on the path, so tests run without an installation."""
