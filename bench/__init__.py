"""Benchmarks, and scripts that print the tables of docs/. Not part of the installed package."""
