"""Dated, sourced prices, and what a cell's use of a device comes to by them; an unknown price is unknown, never 0."""

from harness.prices.book import Accelerator, Price, PriceBook
from harness.prices.files import read_book
from harness.prices.tariff import ON_GPU, Tariff, tariff

__all__ = ["ON_GPU", "Accelerator", "Price", "PriceBook", "Tariff", "read_book", "tariff"]
