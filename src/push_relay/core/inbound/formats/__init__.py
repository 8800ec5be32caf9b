"""The formats in which a sender may write an event's document: one strategy for each."""
