"""The address and the names of the local AWS."""

from typing import Final

HOST: Final = "127.0.0.1"
REGION: Final = "eu-west-1"
ACCOUNT: Final = "000000000000"
