"""Hosted training by Azure OpenAI: OpenAI's API, and the kind of training that only Azure has."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

from openai import OpenAI

from harness.remote import faults
from harness.remote.faults import Doubtful, Refused
from harness.remote.orders import HostedJob, Jobs, Order
from harness.remote.redaction import Redactor
from harness_azure import SECRETS
from harness_azure.capabilities import endpoint
from harness_azure.credentials import key
from harness_azure.deployments import azure
from harness_openai.client import synchronous
from harness_openai.jobs import OpenAIJobs

KIND = "AZURE_OPENAI_TRAINING_TYPE"
"""Sent as it stands: Azure's own names of it have changed, and so have prices with it."""


class AzureJobs(OpenAIJobs):
    def __init__(self, client: OpenAI, redact: Redactor, model_of: Callable[[str], str | None]) -> None:
        """`model_of`: deployment -> the model that it serves; training starts from a model."""
        kind = os.environ.get(KIND)
        super().__init__(client, redact, {"trainingType": kind} if kind else None)
        self._model_of = model_of

    def create(self, order: Order, train: str, validation: str | None) -> HostedJob:
        try:
            model = self._model_of(order.model)
        except Doubtful as error:  # only looked at: nothing was ordered
            raise Refused(str(error), faults.RETRY_S) from None
        if model is None:
            raise Refused(f"there is no deployment {order.model}, so nobody can tell which model to train")
        return super().create(replace(order, model=model), train, validation)


def jobs() -> Jobs:
    return AzureJobs(synchronous(endpoint(), key()), Redactor(SECRETS), lambda name: azure().model_of(name))
