"""The verification schemes: one small pure function each, by the family of proof that they check."""
