"""The chaos run: break the relay on purpose, thousands of times, and check that no push is lost or repeated.

The real handlers run in worker processes, against a local AWS and the sandbox of the Push API. The run's
clock jumps over the time in which nothing happens. At the end, the sandbox's record of the calls is compared
with the plan. `python -m chaos` starts a run; docs/reliability.md lists what it proves.

    plan -> driver -> workers (receive, deliver) -> sandbox
                                 |                    |
                              journals  ->  verdict <- record
"""
