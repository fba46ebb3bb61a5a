"""Benchmarks, and scripts that print the tables of docs/. The installed package does not contain them."""
