"""Schemes that prove the sender and not the content: a shared token, Basic authentication, and none.

The secret itself is sent, so only TLS protects it: anyone who has seen one request can make others.
"""

from functools import partial

from push_relay.core.trust.schemes.proof import (
    MAX_PROOF,
    Evidence,
    Scheme,
    SignedRequest,
    Verified,
    base64_text,
    fits,
    header,
    keys,
    proof,
    require,
)
from push_relay.core.trust.schemes.secret_form import PASSWORD, token_form
from push_relay.core.trust.verify_table import HEADERS, VerifyPlain, VerifyToken


def token(table: VerifyToken) -> Scheme:
    """Make the scheme of a shared token, in a `header` or a `query` parameter.

    A `prefix`, such as `Bearer `, may precede it. Prefer the header, because URLs are logged.
    GitLab's, as an example, is in X-Gitlab-Token.
    https://docs.gitlab.com/user/project/integrations/webhooks/
    """
    form = token_form(prefix=table.prefix, longest=MAX_PROOF)
    if table.query:
        return Scheme(partial(_verify_query, name=table.query, prefix=table.prefix), secret=form)
    return Scheme(partial(_verify_header, name=table.header or "", prefix=table.prefix), secret=form)


def _verify_header(request: SignedRequest, evidence: Evidence, *, name: str, prefix: str) -> Verified:
    return _verify_token(header(request, name), request, evidence, prefix)


def _verify_query(request: SignedRequest, evidence: Evidence, *, name: str, prefix: str) -> Verified:
    return _verify_token(proof(request.query, name), request, evidence, prefix)


def _verify_token(offered: str, request: SignedRequest, evidence: Evidence, prefix: str) -> Verified:
    require(fits([offered], (prefix.encode() + key for key in keys(evidence))))
    return Verified(request.body, content=False)


def basic(_table: VerifyPlain) -> Scheme:
    """Make the scheme `Authorization: Basic <base64 of user:password>`; the secret is `user:password`.

    The word `Basic` may be in any case (RFC 7617, 2). Some senders, SNS and Twilio among them, send the
    password only after they have been answered 401 with `WWW-Authenticate: Basic`.
    https://www.rfc-editor.org/rfc/rfc7617
    """
    return Scheme(
        _verify_basic,
        secret=PASSWORD,
        challenge='Basic realm="push-relay", charset="UTF-8"',
    )


def _verify_basic(request: SignedRequest, evidence: Evidence) -> Verified:
    word, _, offered = header(request, HEADERS["basic"]).partition(" ")
    require(word.lower() == "basic")
    require(fits([offered], (base64_text(key) for key in keys(evidence) if b":" in key)))
    return Verified(request.body, content=False)


def none(_table: VerifyPlain) -> Scheme:
    """Make the scheme that accepts every request.

    Its caller checks that the deployer's configuration allows it too: a source folder alone must never
    disable the verification.
    """
    return Scheme(_verify_nothing)


def _verify_nothing(request: SignedRequest, _evidence: Evidence) -> Verified:
    return Verified(request.body, content=False)
