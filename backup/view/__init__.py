"""What the status page shows, in state/view.db: written after each run, made again from the target when it is lost."""
