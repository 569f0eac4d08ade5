"""Pretrained pipelines by their published configurations, each with the file that it was read from."""
