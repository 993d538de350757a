"""A server that feeds controllers lists and watch events, made up or recorded, faster than a real one could."""
