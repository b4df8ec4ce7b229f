"""The demo: two orgs, real labelled series moved to end now, and a feeder that goes on from there and plants faults."""
