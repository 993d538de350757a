"""vLLM in this process. Importing anything below this package but `causes` imports vLLM."""
