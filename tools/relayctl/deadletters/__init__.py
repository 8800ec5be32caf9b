"""What is dead or parked: find it, list it, tell what it would become today, and replay it.

place     where a stack's queues and ledger are
letter    one dead message, and what may be told of it
queue     the dead-letter queue: look without taking, hold, delete, give back
parked    the pushes that wait, as the ledger knows them
revival   the message that a dead one becomes when it is replayed
prospect  what would become of it under the sources and routes of this checkout
replaying the replay itself: at a pace, in an order that loses nothing, and safe to interrupt
options, listing, reporting  what a person types, and sees
"""
