"""The reference of the configuration files, written from the declarations of their keys."""
