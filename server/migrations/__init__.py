"""Steps from one schema to the next, applied by `puente migrate`."""

NEWEST = "0002"
"""The last step, written down so that a start that has nothing to migrate need not load what migrates."""
