"""A service account of Google's, whose tokens the stand-in gives out."""

from __future__ import annotations

import functools
import json
from pathlib import Path

from tests.support.vertex_server import State


@functools.cache
def private_key() -> str:
    """As PEM."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    return (
        rsa.generate_private_key(public_exponent=65537, key_size=2048)
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )


def made(state: State, folder: Path, url: str, token: str) -> tuple[dict[str, str], list[str]]:
    """The environment that names its file, and its secrets; the stand-in at the URL gives the token and asks for it."""
    state.key = state.token = token
    told = {
        "type": "service_account",
        "project_id": "project-1",
        "private_key_id": "1",
        "private_key": private_key(),
        "client_email": "harness@project-1.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": f"{url}/token",
    }
    file = folder / "key.json"
    file.write_text(json.dumps(told))
    return {"GOOGLE_APPLICATION_CREDENTIALS": str(file)}, [private_key().splitlines()[3]]
