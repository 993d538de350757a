"""The phases of a Workspace: one pure function each, from a snapshot to a step."""
