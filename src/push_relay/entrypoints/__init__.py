"""Translate what AWS invokes the functions with to the core and back."""
