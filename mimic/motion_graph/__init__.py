"""A motion graph: commands become a reference without a jump, which any controller of a library can follow."""
