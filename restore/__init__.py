"""The one-shot job: target to volumes."""
