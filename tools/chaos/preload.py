"""The modules and clients that every worker needs.

The server that forks the workers imports this module once.
"""

import push_relay.bootstrap.deliver
import push_relay.bootstrap.receive  # noqa: F401 - a worker starts faster if it is imported already
from push_relay.adapters import aws

# No call is made here, because a worker must not share a connection with another one.
aws.sqs()
aws.dynamodb()
aws.secretsmanager()
