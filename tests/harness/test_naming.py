"""What arms are called beside one another."""

from __future__ import annotations

import pytest

from harness.naming import places, short_names, strategy_of


@pytest.mark.parametrize(
    ("arms", "called"),
    [
        (["base@torch:m", "full+rag@torch:m", "majority@none"], ["base", "full+rag", "majority"]),
        (["base@torch:m", "base@keras:m", "tfidf@none"], ["base@torch", "base@keras", "tfidf"]),
        (["base@torch:m", "base@torch:n"], ["base@m", "base@n"]),
        (["base@torch:m", "base@openai:n"], ["base@torch:m", "base@openai:n"]),
        (["base@sagemaker:model/llama@ml.g5.xlarge", "majority@none"], ["base", "majority"]),
        (["base@sagemaker:a@x", "base@sagemaker:b@x"], ["base@a@x", "base@b@x"]),
        (["rag:k=3@torch:m", "rag:k=5@torch:m"], ["rag:k=3", "rag:k=5"]),
        ([], []),
    ],
)
def test_an_arm_is_told_by_what_differs(arms: list[str], called: list[str]) -> None:
    assert short_names(arms) == dict(zip(arms, called, strict=True))


def test_where_two_would_be_called_alike_all_keep_their_names() -> None:
    arms = ["majority@none", "majority@torch:m"]
    assert short_names(arms) == dict(zip(arms, arms, strict=True))


def test_a_place_is_told_where_there_is_a_choice() -> None:
    arms = ["base@torch:m", "base@keras:m", "majority@none"]
    assert places(arms) == dict(zip(arms, ["torch", "keras", ""], strict=True))
    assert strategy_of("base@sagemaker:a@x") == "base"
