"""Break the relay on purpose, thousands of times, and count from the vendor's own record what became of it.

The real handlers run in processes of their own against the local AWS and the Push API sandbox, on a clock
that leaps over every stretch in which nothing happens. `python -m chaos` runs it; docs/reliability.md says
what it proves.

    plan -> driver -> workers (receive, deliver) -> sandbox
                                 |                    |
                              journals  ->  verdict <- record
"""
