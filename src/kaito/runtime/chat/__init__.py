"""KAITO's `POST /chat`."""

from kaito.runtime.chat.request import ChatRequest
from kaito.runtime.chat.route import ChatRoute
from kaito.runtime.chat.translate import ChatError, Server

__all__ = ["ChatError", "ChatRequest", "ChatRoute", "Server"]
