"""The tables and figures of the lecture on advantage-weighted regression: what to run, running it, showing it."""

NAMES = ("table1", "table2", "figure3", "figure4", "figure6", "figure10", "sensitivity")
