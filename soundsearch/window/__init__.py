"""The Qt window. Never imports torch, transformers, hnswlib, soundfile or sounddevice."""
