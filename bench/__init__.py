"""Figures: what Sidemirror costs beside the fastest and the usual way to do the same, measured side by side."""
