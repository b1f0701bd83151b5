"""Which version this is. The program runs from its folder, so nothing installed can be asked."""

VERSION = "0.1.0"
"""The same as in pyproject.toml; a test compares them."""
