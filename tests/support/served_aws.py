"""What tests of backend `aws` need beside its stand-in: its surroundings."""

from __future__ import annotations

MODEL, KEY, ROLE = "amazon.nova-micro-v1:0", "AKIASTANDIN", "arn:aws:iam::123456789012:role/harness"


def environment(url: str, secret: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_SESSION_TOKEN": secret.replace("secret", "token"),
        "AWS_HARNESS_BUCKET": "a-bucket",
        "AWS_HARNESS_ROLE_ARN": ROLE,
    }
