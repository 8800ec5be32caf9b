"""Read secrets from Secrets Manager. `core/secret.py` decides when, and what they may look like."""

import base64
import json

from push_relay.adapters import aws
from push_relay.core.errors import CredentialsUnavailable


def read_secret(arn: str) -> str:
    """Return a secret's text as it is now.

    Raises CredentialsUnavailable, whose text names neither the secret nor its content.
    """
    try:
        answer = aws.secretsmanager().call("GetSecretValue", SecretId=arn)
    except aws.AwsError as exc:
        raise CredentialsUnavailable(f"a secret cannot be read from Secrets Manager ({exc.code})") from None
    if "SecretString" in answer:
        return str(answer["SecretString"])
    # `--secret-binary` stores bytes, in UTF-16 too.
    content = base64.b64decode(answer.get("SecretBinary", ""))
    try:
        return content.decode(json.detect_encoding(content))
    except UnicodeDecodeError:
        # The exception contains the secret, so it must not be the cause of the new one.
        raise CredentialsUnavailable("a secret in Secrets Manager is neither a text nor UTF-8") from None
