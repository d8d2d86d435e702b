"""A small stateful stand-in of Azure OpenAI: OpenAI's API by deployment, a login's tokens, what manages deployments.

Written from Azure's published description of `Microsoft.CognitiveServices/accounts/deployments` (2024-10-01) and of the
v1 API; built on the stand-in of OpenAI. Deployments cost money by its own clock.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.openai_server import Api, Handler, State
from tests.support.standin import Refusal, served

SUBSCRIPTION, GROUP, ACCOUNT = "0000-sub", "group", "account"
RESOURCE = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.CognitiveServices/accounts/{ACCOUNT}"
)
DEPLOYMENTS = f"{RESOURCE}/deployments"
VERSION = "2024-10-01"
ASKING = "https://cognitiveservices.azure.com"
LOGIN_HEADER = "login-canary-77f1"


@dataclass
class AzureState(State):
    bases: dict[str, tuple[str, str]] = field(
        default_factory=lambda: {"m": ("gpt-x", "2025-01-01"), "m-embed": ("embed-x", "1")}
    )
    """Deployments that were there before -> model and version."""
    deployments: dict[str, dict[str, Any]] = field(default_factory=dict)
    born: dict[str, float] = field(default_factory=dict)
    hosted_s: float = 0.0
    """Of those that are gone."""
    puts: Counter[str] = field(default_factory=Counter)
    most_at_once: int = 0
    starting: int = 2
    """Looks at a deployment until it is ready."""
    removing: int = 1
    """Looks at one that is being removed until it is gone."""
    unknown: int = 0
    """Questions to a new deployment that are answered as if it were not there."""
    fails: bool = False
    forgets_metadata: bool = False
    tokens_for: dict[str, str] = field(default_factory=dict)
    """Token -> resource."""
    token_s: int = 3600
    bodies: list[dict[str, Any]] = field(default_factory=list)
    """Of jobs, as they were ordered."""

    def hosting_s(self) -> float:
        return self.hosted_s + sum(time.monotonic() - born for born in self.born.values())


class AzureApi(Api):
    state: AzureState

    def chat(self, body: dict[str, Any]) -> dict[str, Any]:
        return super().chat({**body, "model": self._model(body["model"])})

    def embeddings(self, body: dict[str, Any]) -> dict[str, Any]:
        return super().embeddings({**body, "model": self._model(body["model"])})

    def _model(self, deployment: str) -> str:
        if deployment in self.state.bases:
            return deployment
        found = self.state.deployments.get(deployment)
        if found is None or found["properties"]["provisioningState"] != "Succeeded" or self.state.unknown > 0:
            self.state.unknown -= 1
            raise Refusal(404, "The API deployment for this resource does not exist.", "DeploymentNotFound")
        return str(found["properties"]["model"]["name"])

    def create_job(self, body: dict[str, Any]) -> dict[str, Any]:
        self.state.bodies.append(body)
        models = {f"{name}-{version}": deployed for deployed, (name, version) in self.state.bases.items()}
        if body["model"] not in models:
            raise Refusal(400, f"the model {body['model']} cannot be trained", "invalidPayload")
        made = super().create_job({**body, "model": models[body["model"]]})
        made["user_provided_suffix"] = body.get("suffix")
        made["metadata"] = None if self.state.forgets_metadata else made["metadata"]
        return made

    # -- what manages deployments ------------------------------------------------------------------------------

    def put(self, name: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        state, known = self.state, self.state.deployments.get(name)
        if known is not None:
            if known["properties"]["provisioningState"] == "Deleting":
                raise Refusal(409, "another operation is in progress", "RequestConflict")
            return 200, known
        model = body["properties"]["model"]
        if model["format"] != "OpenAI" or (model["name"] not in state.learnt):
            raise Refusal(400, f"there is no model {model['name']}", "InvalidResourceProperties")
        state.puts[name] += 1
        state.born[name] = time.monotonic()
        state.deployments[name] = {
            "id": f"{DEPLOYMENTS}/{name}",
            "name": name,
            "type": "Microsoft.CognitiveServices/accounts/deployments",
            "sku": body["sku"],
            "properties": {"model": model, "provisioningState": "Accepted"},
        }
        state.most_at_once = max(state.most_at_once, len(state.deployments))
        return 201, state.deployments[name]

    def get(self, name: str) -> dict[str, Any]:
        state = self.state
        if name in state.bases:
            model = dict(zip(("name", "version"), state.bases[name], strict=True))
            return {"name": name, "properties": {"model": model, "provisioningState": "Succeeded"}}
        if name not in state.deployments:
            raise Refusal(404, f"no deployment {name}", "ResourceNotFound")
        found = state.deployments[name]
        state.looks[name] += 1
        stage, looks = found["properties"]["provisioningState"], state.looks[name]
        if stage == "Deleting" and looks > state.removing:
            self._gone(name)
            raise Refusal(404, f"no deployment {name}", "ResourceNotFound")
        if stage in ("Accepted", "Creating"):
            ended = "Failed" if state.fails else "Succeeded"
            found["properties"]["provisioningState"] = ended if looks >= state.starting else "Creating"
        return found

    def delete(self, name: str) -> int:
        if name not in self.state.deployments:
            return 204
        self.state.looks[name] = 0
        self.state.deployments[name]["properties"]["provisioningState"] = "Deleting"
        if not self.state.removing:
            self._gone(name)
        return 202

    def _gone(self, name: str) -> None:
        del self.state.deployments[name]
        del self.state.looks[name]
        self.state.hosted_s += time.monotonic() - self.state.born.pop(name)


class AzureHandler(Handler):
    state: AzureState
    api = AzureApi
    status = 200

    def do_PUT(self) -> None:
        self._serve("PUT")

    def do_DELETE(self) -> None:
        self._serve("DELETE")

    def _serve(self, method: str) -> None:
        self.path = self.path.removeprefix("/openai") if self.path.startswith("/openai/v1/") else self.path
        self.status = 200
        super()._serve(method)

    def is_let_in(self, path: str) -> bool:
        if path == "/msi/token":
            return self.headers.get("x-identity-header") == LOGIN_HEADER
        given = (self.headers.get("authorization") or "").removeprefix("Bearer ")
        resource = self.state.tokens_for.get(given)
        if path.startswith("/subscriptions/"):
            return resource is not None and resource.startswith("http://127.0.0.1")
        return (self.state.key is not None and given == self.state.key) or resource == ASKING

    def done(self, method: str, path: str, query: dict[str, list[str]], content: bytes) -> dict[str, Any]:
        if path == "/msi/token":
            return self._token(query["resource"][0])
        if not path.startswith("/subscriptions/"):
            return super().done(method, path, query, content)
        if query.get("api-version") != [VERSION]:
            raise Refusal(400, "no such api-version", "InvalidApiVersionParameter")
        api, name = AzureApi(self.state), path.removeprefix(DEPLOYMENTS).removeprefix("/")
        if path == DEPLOYMENTS and method == "GET":
            return self._page(query)
        if not path.startswith(f"{DEPLOYMENTS}/"):
            raise Refusal(404, f"no such resource {path}", "ResourceNotFound")
        if method == "PUT":
            self.status, found = api.put(name, json.loads(content))
            return found
        if method == "DELETE":
            self.status = api.delete(name)
            return {}
        return api.get(name)

    def _page(self, query: dict[str, list[str]]) -> dict[str, Any]:
        """Two to a page."""
        names = [*self.state.bases, *self.state.deployments]
        start = int(query.get("$skipToken", ["0"])[0])
        shown = [
            self.state.deployments.get(name) or AzureApi(self.state).get(name) for name in names[start : start + 2]
        ]
        found: dict[str, Any] = {"value": shown}
        if start + 2 < len(names):
            host = self.headers["host"]
            found["nextLink"] = f"http://{host}{DEPLOYMENTS}?api-version={VERSION}&$skipToken={start + 2}"
        return found

    def _token(self, resource: str) -> dict[str, Any]:
        token = f"token-canary-{len(self.state.tokens_for):06d}-of-{len(resource)}"
        self.state.tokens_for[token] = resource
        expires = str(int(time.time()) + self.state.token_s)
        return {"access_token": token, "expires_on": expires, "resource": resource, "token_type": "Bearer"}

    def _send(self, status: int, body: Any, headers: dict[str, str] | None = None, fault: str | None = None) -> None:
        super()._send(self.status if status == 200 else status, body, headers, fault)


def environment(url: str) -> dict[str, str]:
    """That names a stand-in at this URL, with a login and no key."""
    return {
        "AZURE_OPENAI_ENDPOINT": url,
        "AZURE_MANAGEMENT_ENDPOINT": url,
        "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
        "AZURE_RESOURCE_GROUP": GROUP,
        "AZURE_OPENAI_ACCOUNT": ACCOUNT,
        "AZURE_OPENAI_HOSTING": "standard:50",
        "IDENTITY_ENDPOINT": f"{url}/msi/token",
        "IDENTITY_HEADER": LOGIN_HEADER,
    }


@contextmanager
def serving(state: AzureState | None = None) -> Iterator[tuple[str, AzureState]]:
    """The URL of a server on loopback, and its state."""
    state = state or AzureState()
    with served(AzureHandler, state) as url:
        yield url, state
