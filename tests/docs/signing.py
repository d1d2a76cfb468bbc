"""Signs webhooks as Twilio does; schemathesis loads it."""

import base64
import hashlib
import hmac
from urllib.parse import parse_qsl

import requests
import schemathesis

# The local stack's own.
AUTH_TOKEN = "local-development-auth-token"
# What schemathesis.toml puts into the header of requests that are to be signed. What
# schemathesis leaves out or makes up, to see it refused, stays so.
TO_BE_SIGNED = "signed later"
HEADER = "X-Twilio-Signature"


def signature(url, body, auth_token=AUTH_TOKEN):
    """Twilio's, over the URL and the form as they are sent."""
    fields = sorted(set(parse_qsl(body, keep_blank_values=True)))
    text = url + "".join(name + value for name, value in fields)
    return base64.b64encode(hmac.new(auth_token.encode(), text.encode(), hashlib.sha1).digest()).decode()


class Signed(requests.auth.AuthBase):
    """Signs a request once everything of it is known."""

    def __call__(self, request):
        body = request.body or ""
        if isinstance(body, bytes):
            body = body.decode("utf-8", "replace")
        if request.headers.get(HEADER) == TO_BE_SIGNED:
            request.headers[HEADER] = signature(request.url, body)
        return request


WEBHOOKS = {"/api/v1/call/connect", "/api/v1/call/status", "/api/v1/call/dial-status"}


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.operation.path in WEBHOOKS:
        kwargs["auth"] = Signed()
