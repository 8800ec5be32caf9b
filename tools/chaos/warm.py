"""Imported once by the server that workers are forked from: what all of them need, before they start."""

import push_relay.bootstrap.deliver
import push_relay.bootstrap.receive  # noqa: F401 - imported for the workers' sake
from push_relay.adapters import aws

# No call is made: a forked client opens connections of its own.
aws.sqs()
aws.dynamodb()
aws.secretsmanager()
