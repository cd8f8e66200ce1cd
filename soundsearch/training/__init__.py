"""Training and evaluation of models. Imports torch and everything below."""

import soundsearch.models  # noqa: F401  comes before torch
