"""The way of a run: checked, completed and built; its processes, where it goes on, its batches."""
