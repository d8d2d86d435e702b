"""TensorFlow and Keras, told how to behave before they are imported; the zygote imports this module once."""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import keras_hub
import tensorflow as tf

if keras.backend.backend() != "tensorflow":
    raise ImportError(f"Keras was imported before with {keras.backend.backend()}; this backend runs on tensorflow")

__all__ = ["keras", "keras_hub", "tf"]
