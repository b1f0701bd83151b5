"""The process that people start, and everything that is remembered."""
