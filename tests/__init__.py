"""Tests of Puente; the folders mirror the tree."""
