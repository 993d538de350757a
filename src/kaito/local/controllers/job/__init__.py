"""Runs Jobs to completion."""
