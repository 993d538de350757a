"""`kaito-runtime serve` beside vLLM's own server: same flags, same environment, same models, in turns."""
