"""Deployments of trained models, named by our label; Azure charges each by the hour, asked or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.remote.faults import Doubtful
from harness.remote.hosting import Deployment, Deployments, Stage
from harness_azure.account import Account, account
from harness_azure.capabilities import endpoint
from harness_azure.management import Management

STAGES = {
    "succeeded": Stage.READY,
    "failed": Stage.FAILED,
    "canceled": Stage.FAILED,
    "disabled": Stage.FAILED,
    "deleting": Stage.STOPPING,
}
PATH = "/deployments"


class AzureDeployments:
    def __init__(self, account: Account) -> None:
        self._account, self._management = account, Management(account)

    def start(self, label: str, model: str) -> Deployment:
        sku = {"name": self._account.sku, "capacity": self._account.capacity}
        body = {"sku": sku, "properties": {"model": {"format": "OpenAI", "name": model, "version": "1"}}}
        return _deployment(self._management.put(f"{PATH}/{label}", body))

    def look(self, label: str) -> Deployment | None:
        found = self._management.get(f"{PATH}/{label}")
        return None if found is None else _deployment(found)

    def stop(self, label: str) -> None:
        self._management.delete(f"{PATH}/{label}")

    def labelled(self, prefix: str) -> Sequence[Deployment]:
        found = (_deployment(each) for each in self._management.listed(PATH))
        return [each for each in found if each.label.startswith(prefix)]

    def model_of(self, name: str) -> str | None:
        """What a deployment serves, as training names it; None where there is none."""
        found = self._management.get(f"{PATH}/{name}")
        if found is None:
            return None
        try:
            model = found["properties"]["model"]
            return f"{model['name']}-{model['version']}"
        except (KeyError, TypeError):
            raise Doubtful("an answer that names no model") from None


def _deployment(found: Mapping[str, Any]) -> Deployment:
    try:
        name, told = str(found["name"]), str(found["properties"]["provisioningState"])
    except (KeyError, TypeError):
        raise Doubtful("an answer that is no deployment") from None
    return Deployment(name, name, STAGES.get(told.lower(), Stage.STARTING), told)


def azure() -> AzureDeployments:
    return AzureDeployments(account(endpoint()))


def deployments() -> Deployments:
    return azure()
