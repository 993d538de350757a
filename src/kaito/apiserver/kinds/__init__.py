"""The built-in kinds: what each adds to the life of every object."""
