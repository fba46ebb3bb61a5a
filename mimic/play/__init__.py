"""Characters that are told what to do."""
