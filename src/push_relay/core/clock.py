"""What the relay assumes of clocks."""

#: Seconds by which the clocks of the fleet, and the vendor's clock, may differ.
CLOCK_SKEW_SECS = 2
