"""Imported once by the server that workers are forked from: what all of them need, before they start."""

import push_relay.bootstrap
import push_relay.entrypoints.deliver
import push_relay.entrypoints.receive  # noqa: F401 - imported for the workers' sake
from push_relay.adapters import aws

# No call is made: a forked client opens connections of its own.
aws.sqs()
aws.dynamodb()
aws.secretsmanager()
