"""Pretrained diffusers pipelines as stages: opened, told what to do, listened to, and handed over half-way."""
