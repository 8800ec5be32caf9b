"""The names of the handshakes, as a source's `handshake` uses them."""

#: No handshake, for a source whose scheme has one of its own.
NONE = "none"
#: Handshakes that have code of their own.
SPECIAL = ("sns", "cloudevents")
#: Handshakes that are rows of data.
AS_DATA = (
    "slack",
    "zoom",
    "event-grid",
    "microsoft-graph",
    "adobe-io-events",
    "adobe-sign",
    "asana",
    "braintree",
    "discord",
    "dropbox",
    "ebay",
    "event-grid-entra",
    "fitbit",
    "intercom",
    "linkedin",
    "mandrill",
    "meta",
    "monday",
    "notion",
    "nylas",
    "okta",
    "onfleet",
    "ringcentral",
    "smartsheet",
    "strava",
    "trello",
    "twitch",
    "withings",
    "x",
    "xero",
    "youtube-websub",
)
#: Every value of the key `handshake`.
HANDSHAKE_NAMES = (*AS_DATA, *SPECIAL, NONE)


def handshake_of(given: str | None, preset: str) -> str | None:
    """Return the name of a source's handshake: the one that it gives, else the one of its preset.

    A subscription of SNS makes the relay call SNS, so a source has to name that handshake.
    """
    if given is None:
        return preset if preset in AS_DATA else None
    return None if given == NONE else given
