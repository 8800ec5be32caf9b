"""Speak to AWS, to the Push API and to the disk on behalf of the core."""
