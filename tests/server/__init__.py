"""Tests of the process that people start."""
