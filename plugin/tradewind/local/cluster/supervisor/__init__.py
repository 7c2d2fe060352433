"""The process that looks after one pod: starts its containers, keeps their logs and records their ends.

Standard library only, and forked from a process that has everything loaded (`nursery`), so that a container
starts a few milliseconds after its pod was created. Supervisors are no children of the API server: when
that is killed they go on, and their pods' ends, logs and exit codes lie on disk when it comes back.
"""
