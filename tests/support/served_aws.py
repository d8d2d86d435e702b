"""What tests of backend `aws` need beside its stand-in: an environment and prices."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

MODEL, KEY, ROLE = "amazon.nova-micro-v1:0", "AKIASTANDIN", "arn:aws:iam::123456789012:role/harness"
RATES = {
    (MODEL, "input tokens"): 1.0,
    (MODEL, "output tokens"): 4.0,
    (MODEL, "training tokens"): 10.0,
    (f"custom:{MODEL}", "input tokens"): 2.0,
    (f"custom:{MODEL}", "output tokens"): 8.0,
    (f"custom:{MODEL}", "hosting seconds"): 0.0,
    ("amazon.titan-embed-text-v2:0", "embedding tokens"): 0.5,
    ("us.cohere.embed-v4:0", "embedding tokens"): 0.5,
}


def environment(url: str, secret: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_HARNESS_BUCKET": "a-bucket",
        "AWS_HARNESS_ROLE_ARN": ROLE,
    }


def price_list(folder: Path, rates: Mapping[tuple[str, str], float] = RATES) -> Path:
    """As TOML."""
    file = folder / "prices.toml"
    file.write_text(
        "".join(
            f'[[price]]\nprovider = "stand-in"\nregion = "any"\nitem = "{item}"\nusd = {usd}\n'
            f'unit = "{"hour" if sort == "hosting seconds" else f"1M {sort}"}"\n'
            'valid_from = 2026-11-01\nsource = "made up"\n'
            for (item, sort), usd in rates.items()
        )
    )
    return file
