"""Artifact classes that a team keeps in a package of its own."""

from kfp.dsl import Artifact


class Embedding(Artifact):
    schema_title = "system.Embedding"
    schema_version = "1.2.0"


class Shard(Artifact):
    schema_title = "google.Shard"
    schema_version = "0.1.0"
