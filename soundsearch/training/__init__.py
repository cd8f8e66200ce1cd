"""Training and evaluation of models. Imports torch and everything below."""
