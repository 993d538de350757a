"""`kaito-runtime serve`: from the command line's options to a served model, and to its end."""

from kaito.runtime.serve.plan import Plan, make_plan
from kaito.runtime.serve.start import serve, serve_and_exit

__all__ = ["Plan", "make_plan", "serve", "serve_and_exit"]
