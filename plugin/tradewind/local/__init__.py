"""Tradewind on one machine: the embedded cluster and the local stack around it."""
