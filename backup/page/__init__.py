"""The status page and the metrics: a process of its own that reads the state folder and can write to nothing."""
