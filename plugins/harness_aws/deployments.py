"""Custom models answer only while they are deployed: on demand, by our label as the deployment's name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from harness.remote.faults import BadRequest, Doubtful
from harness.remote.hosting import Deployment, Deployments, Stage
from harness.remote.redaction import Redactor
from harness_aws.client import READS, made, redactor
from harness_aws.faults import faults
from harness_aws.jobs import LABEL
from harness_aws.names import DEPLOYED
from harness_aws.pages import pages
from harness_aws.places import CONTROL

STAGES = {"Active": Stage.READY, "Failed": Stage.FAILED}
SUMMARIES = "modelDeploymentSummaries"


class BedrockDeployments:
    def __init__(self, once: Any, reading: Any, redact: Redactor) -> None:
        """`once` never asks twice."""
        self._once, self._reading, self._redact = once, reading, redact

    def start(self, label: str, model: str) -> Deployment:
        """A name is given once, so there are never two. The SDK makes a token for each: one rent may follow another."""
        try:
            with faults(self._redact, errors_are_sure=False):
                self._once.create_custom_model_deployment(
                    modelDeploymentName=label, modelArn=model, tags=[{"key": LABEL, "value": label}]
                )
        except BadRequest as error:  # no word of its own says that the name is taken
            if self.look(label) is not None:
                raise Doubtful(str(error)) from None
            raise
        return Deployment(f"{DEPLOYED}{label}", label, Stage.STARTING, "Creating")

    def look(self, label: str) -> Deployment | None:
        with faults(self._redact, errors_are_sure=False):
            try:
                found = self._reading.get_custom_model_deployment(customModelDeploymentIdentifier=label)
            except ClientError as error:
                if _is_missing(error):
                    return None
                raise
            return _deployment(found["modelDeploymentName"], found)

    def stop(self, label: str) -> None:
        with faults(self._redact, errors_are_sure=False):
            try:
                self._reading.delete_custom_model_deployment(customModelDeploymentIdentifier=label)
            except ClientError as error:
                if not _is_missing(error):
                    raise

    def labelled(self, prefix: str) -> Sequence[Deployment]:
        with faults(self._redact, errors_are_sure=False):
            rows = pages(self._reading.list_custom_model_deployments, SUMMARIES, prefix)
            found = [_deployment(row["customModelDeploymentName"], row) for row in rows]
        return [deployment for deployment in found if deployment.label.startswith(prefix)]


def _is_missing(error: ClientError) -> bool:
    return bool(error.response["Error"]["Code"] == "ResourceNotFoundException")


def _deployment(label: str, found: Mapping[str, Any]) -> Deployment:
    status, why = found["status"], found.get("failureMessage")
    told = f"{status}: {why}" if why else status
    return Deployment(f"{DEPLOYED}{label}", label, STAGES.get(status, Stage.STARTING), told)


def deployments() -> Deployments:
    return BedrockDeployments(made(CONTROL), made(CONTROL, READS), redactor())
