"""The formats in which a sender may write an event's document: one strategy for each."""

#: Formats whose documents have an id that their sender gives to no other event. It is here, and not in the
#: strategies, because `deliver` needs it and loads no strategy.
WITH_OWN_IDS = frozenset({"cloudevents"})
