"""Why a run does not learn, in words: what was seen (evidence), what speaks for which fault (rules), the report."""
