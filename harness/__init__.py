"""Adapt a pre-trained model every way there is, compare honestly, decide."""

__version__ = "0.1.0"
