"""Push Relay: webhooks, SNS, SQS and EventBridge in; push notifications on people's phones out."""

__version__ = "0.1.0"
