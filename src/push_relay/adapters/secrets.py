"""Read secrets from Secrets Manager. `core/secret.py` decides when, and what they may look like."""

import json

from push_relay.adapters import aws
from push_relay.core.errors import CredentialsUnavailable


def read_secret(arn: str) -> str:
    """Return a secret's text as it is now.

    Raises CredentialsUnavailable, whose text names neither the secret nor its content.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 (loaded with the client)

    try:
        answer = aws.secretsmanager().get_secret_value(SecretId=arn)
    except (BotoCoreError, ClientError) as exc:
        raise CredentialsUnavailable(
            f"a secret cannot be read from Secrets Manager ({type(exc).__name__})"
        ) from None
    if "SecretString" in answer:
        return answer["SecretString"]
    # `--secret-binary` stores bytes, in UTF-16 too.
    content = answer["SecretBinary"]
    try:
        return content.decode(json.detect_encoding(content))
    except UnicodeDecodeError:
        # The exception contains the secret, so it must not be the cause of the new one.
        raise CredentialsUnavailable("a secret in Secrets Manager is neither a text nor UTF-8") from None
