"""The relay's part of the page of `relayctl run`: every event with its whole story, and how to send and edit.

| module | what it does |
|---|---|
| `recorder` | the address that webhooks are sent to: it forwards each request and remembers it |
| `explainer` | runs a request through the relay's own core, to find out why it ended as it did |
| `history` | the events: requests, log lines (`relayctl.receipts`) and explanations, brought together |
| `story` | an event's story as JSON, with proofs and secrets masked |
| `sending` | sends examples and pasted requests |
| `wording` | reads, previews and saves a source's files |
| `reloader` | lets the deployed functions use changed files |
| `api` | the HTTP interface of the page |
| `running` | wires all of it for a run |

docs/decisions/115-the-page-records-what-it-forwards.md gives the reasons.
"""
