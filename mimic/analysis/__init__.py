"""Analysis of runs: why a run does not learn (evidence, rules, report), and learning curves."""
