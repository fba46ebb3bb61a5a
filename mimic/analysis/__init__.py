"""Analyse training runs: diagnose why a run does not learn (evidence, rules, report), and draw learning curves."""
