"""The sidecar: volumes to target, one run at a time."""
