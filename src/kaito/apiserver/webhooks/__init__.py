"""Admission webhooks: which are asked about a write, what they are asked, and what their answers do to it.

A write runs from its first read to its last write without an `await`, and a webhook takes time to answer. So a write
that needs an answer is given up before it stored anything, the webhook is asked, and the write runs again from its
first read with the answer at hand; an answer counts for exactly the object that was asked about.

Not asked: writes of the server itself (emptying a namespace), the subresources scale, binding and eviction.
"""

from kaito.apiserver.webhooks.admission import WebhookAdmission
from kaito.apiserver.webhooks.gate import Gate, Operation
from kaito.apiserver.webhooks.question import Answer, Question, ReviewNeededError

__all__ = ["Answer", "Gate", "Operation", "Question", "ReviewNeededError", "WebhookAdmission"]
