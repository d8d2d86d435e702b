"""Endpoints that are rented for a model that exists: a configuration and an endpoint, both of our label's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError

from harness.plugin import HarnessError
from harness.remote.faults import RETRY_S, BadRequest, Doubtful, Refused
from harness.remote.hosting import Deployment, Deployments, Stage
from harness.remote.redaction import Redactor
from harness_aws.client import READS, made, redactor
from harness_aws.faults import faults
from harness_aws.jobs import LABEL
from harness_aws.places import MANAGING
from harness_aws.sagemaker.capabilities import hired

STAGES = {"InService": Stage.READY, "Failed": Stage.FAILED, "Deleting": Stage.STOPPING}
MISSING, BUSY = "could not find", "in-progress"
"""SageMaker has one code for all that it refuses: words tell."""
BUSY_S = 60.0
LEFT_OVER = "only its configuration is left, which costs nothing"


class SageMakerEndpoints:
    def __init__(self, once: Any, reading: Any, redact: Redactor) -> None:
        """`once` never asks twice."""
        self._once, self._reading, self._redact = once, reading, redact

    def start(self, label: str, model: str) -> Deployment:
        """A name is given once, so there are never two; the configuration before it costs nothing."""
        tags = [{"Key": LABEL, "Value": label}]
        self._configure(label, model, tags)
        try:
            with faults(self._redact, errors_are_sure=False):
                self._once.create_endpoint(EndpointName=label, EndpointConfigName=label, Tags=tags)
        except Refused as error:
            if isinstance(error, BadRequest) and self.look(label) is not None:
                raise Doubtful(str(error)) from None
            if error.retry_s is None:
                with suppress(HarnessError):
                    self._unconfigure(label)
            raise
        return Deployment(label, label, Stage.STARTING, "Creating")

    def _configure(self, label: str, model: str, tags: Sequence[Mapping[str, str]]) -> None:
        """Unless there is one: the label stands for the model and its machine."""
        found = hired(model)
        if found is None:
            raise Refused(f"{model} is no model to rent an endpoint for")
        name, machine = found
        variant = {"VariantName": "one", "ModelName": name, "InstanceType": machine, "InitialInstanceCount": 1}
        try:
            with faults(self._redact, errors_are_sure=False):
                self._once.create_endpoint_config(EndpointConfigName=label, ProductionVariants=[variant], Tags=tags)
        except Doubtful as error:
            raise Refused(str(error), RETRY_S) from None  # nothing was rented yet, and it may be asked again
        except BadRequest:
            if not self._is_configured(label):
                raise

    def _is_configured(self, label: str) -> bool:
        return self._found(self._reading.describe_endpoint_config, EndpointConfigName=label) is not None

    def look(self, label: str) -> Deployment | None:
        found = self._found(self._reading.describe_endpoint, EndpointName=label)
        if found is None:
            return None
        with faults(self._redact, errors_are_sure=False):
            return _deployment(found)

    def stop(self, label: str) -> None:
        """The endpoint first: it is what costs money."""
        try:
            self._found(self._reading.delete_endpoint, EndpointName=label)
        except BadRequest as error:
            if BUSY not in error.names.lower():
                raise
            there = self.look(label)
            if there is not None and there.stage is not Stage.STOPPING:
                raise Refused(str(error), BUSY_S) from None
        self._unconfigure(label)

    def _unconfigure(self, label: str) -> None:
        self._found(self._reading.delete_endpoint_config, EndpointConfigName=label)

    def labelled(self, prefix: str) -> Sequence[Deployment]:
        """What a kill left of a beginning is listed too."""
        with faults(self._redact, errors_are_sure=False):
            endpoints = [_deployment(row) for row in self._listed("list_endpoints", "Endpoints", prefix)]
            known = {each.label for each in endpoints}
            rows = self._listed("list_endpoint_configs", "EndpointConfigs", prefix)
            names = [str(row["EndpointConfigName"]) for row in rows]
        left = [Deployment(name, name, Stage.STOPPING, LEFT_OVER) for name in names if name not in known]
        return [each for each in (*endpoints, *left) if each.label.startswith(prefix)]

    def _listed(self, operation: str, key: str, part: str) -> list[Mapping[str, Any]]:
        """All whose name holds `part`; raises `KeyError` for an answer that is no list."""
        return [row for page in self._reading.get_paginator(operation).paginate(NameContains=part) for row in page[key]]

    def _found(self, ask: Callable[..., Mapping[str, Any]], **named: str) -> Mapping[str, Any] | None:
        """None where SageMaker says that there is none."""
        with faults(self._redact, errors_are_sure=False):
            try:
                return ask(**named)
            except ClientError as error:
                if MISSING in str(error.response["Error"].get("Message", "")).lower():
                    return None
                raise


def _deployment(found: Mapping[str, Any]) -> Deployment:
    """Of a description, or of a row of a list, which tells no reasons."""
    label, status, why = found["EndpointName"], found["EndpointStatus"], found.get("FailureReason")
    return Deployment(label, label, STAGES.get(status, Stage.STARTING), f"{status}: {why}" if why else status)


def deployments() -> Deployments:
    return SageMakerEndpoints(made(MANAGING), made(MANAGING, READS), redactor())
