"""Keeps the addresses behind Services."""
