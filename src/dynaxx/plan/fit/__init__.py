"""Whether pretrained pipelines fit where a cascade puts them, told from configuration files alone."""
