"""Notices silent nodes and moves their pods."""
