"""Benchmarks: what the product costs and how fast it is, as tables with limits (`make bench`)."""
