"""AWS by boto3: models of Amazon Bedrock, endpoints of SageMaker, and the machines of its training jobs."""

from collections.abc import Iterable

from harness.plugin import BackendSpec, MachinesSpec, hookimpl, later
from harness.remote.service import Service

SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_BEARER_TOKEN_BEDROCK")


@hookimpl
def harness_backends() -> Iterable[BackendSpec]:
    where, endpoints = "harness_aws.capabilities", "harness_aws.sagemaker.capabilities"
    return [
        BackendSpec(
            name="aws",
            summary="Amazon Bedrock, in AWS_REGION",
            describe=later(f"{where}:describe"),
            offers=later(f"{where}:offers"),
            load="harness_aws.backend:load",
            default_model=None,
            requires=("boto3",),
            extra="aws",
            preload=("boto3", "tenacity"),
            device=lambda: "service",
            why_not=later(f"{where}:why_not"),
            service=Service(
                endpoint=later("harness_aws.places:endpoint"),
                secrets=SECRETS,
                why_not=later(f"{where}:unready"),
                tuned=lambda model: f"custom:{model}",
                notices=later("harness_aws.dates:notices"),
                jobs="harness_aws.jobs:jobs",
                deployments="harness_aws.deployments:deployments",
            ),
        ),
        BackendSpec(
            name="sagemaker",
            summary="endpoints of Amazon SageMaker, in AWS_REGION",
            describe=later(f"{endpoints}:describe"),
            offers=later(f"{endpoints}:offers"),
            load="harness_aws.sagemaker.backend:load",
            default_model=None,
            requires=("boto3",),
            extra="aws",
            preload=("boto3", "tenacity"),
            device=lambda: "service",
            why_not=later(f"{endpoints}:why_not"),
            service=Service(
                endpoint=later(f"{endpoints}:endpoint"),
                secrets=SECRETS,
                why_not=later(f"{where}:unready"),
                tuned=lambda model: model,
                notices=later(f"{endpoints}:notices"),
                deployments="harness_aws.sagemaker.endpoints:deployments",
                rented=later(f"{endpoints}:instance"),
            ),
        ),
    ]


@hookimpl
def harness_machines() -> Iterable[MachinesSpec]:
    where = "harness_aws.flavors"
    return [
        MachinesSpec(
            name="aws",
            summary="SageMaker's training jobs, with files in AWS_HARNESS_BUCKET",
            flavor=later(f"{where}:flavor"),
            load="harness_aws.machines:machines",
            endpoint=later(f"{where}:endpoint"),
            secrets=SECRETS,
            why_not=later(f"{where}:unready"),
            requires=("boto3",),
            extra="aws",
            preload=("harness_aws.machines",),
        )
    ]
