"""What the Keras backend reads of a model's small files, before a framework is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ModelError
from harness.types import Kind, ModelCard
from harness_keras.capabilities import offers, why_not
from harness_keras.chat import Chat

LLAMA = {"model_type": "llama", "hidden_size": 32, "num_attention_heads": 4, "rms_norm_eps": 1e-5}
GPT2 = {"model_type": "gpt2", "n_embd": 32, "n_head": 4}


def card(folder: Path, config: dict[str, Any], family: str = "causal") -> ModelCard:
    (folder / "config.json").write_text(json.dumps(config))
    return ModelCard(
        "m", family, "0" * 64, str(folder), 1_000, 32, 2, 500, architecture=str(config.get("model_type", ""))
    )


@pytest.mark.parametrize(
    "config",
    [
        LLAMA,
        {**LLAMA, "rope_parameters": {"rope_type": "llama3", "rope_theta": 1e4}, "head_dim": 8},
        {**LLAMA, "rope_scaling": {"rope_type": "llama3"}},
        {**LLAMA, "rope_scaling": None, "hidden_act": "silu"},
        GPT2,
        {**GPT2, "n_inner": 128, "activation_function": "gelu"},
        {**LLAMA, "model_type": "qwen2", "use_sliding_window": False, "layer_types": ["full_attention"] * 2},
        {**LLAMA, "model_type": "qwen3", "head_dim": 16},
    ],
)
def test_causal_models_are_offered_whole(tmp_path: Path, config: dict[str, Any]) -> None:
    found = offers(card(tmp_path, config))
    assert {"embed", "score"} <= found
    for kind in Kind:
        assert {f"answer:{kind}", f"read:{kind}", f"tune:full:{kind}", f"tune:lora:{kind}"} <= found
        assert f"tune:qlora:{kind}" not in found


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({**LLAMA, "model_type": "mistral"}, "causal models of sort gpt2, llama, qwen2, qwen3, not 'mistral'"),
        ({**LLAMA, "attention_bias": True}, "attention_bias = True is not read"),
        ({**LLAMA, "head_dim": 16}, "head_dim = 16 is not the hidden size over the heads"),
        ({**LLAMA, "num_attention_heads": None}, "does not tell its heads"),
        ({**LLAMA, "hidden_act": "swish7"}, "the activation 'swish7' is not known"),
        ({**LLAMA, "rope_scaling": {"type": "linear", "factor": 2.0}}, "positions of sort 'linear' are not read"),
        ({**LLAMA, "rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5}}, "partial_rotary_factor"),
        ({**LLAMA, "model_type": "qwen3", "rope_parameters": {"rope_type": "yarn"}}, "positions of sort 'yarn'"),
        ({**LLAMA, "model_type": "qwen2", "use_sliding_window": True}, "use_sliding_window = True is not read"),
        ({**LLAMA, "model_type": "qwen2", "layer_types": ["sliding_attention"]}, "layers of sort"),
        ({**GPT2, "n_inner": 100}, "n_inner = 100 is not 4 times the hidden size"),
        ({**GPT2, "tie_word_embeddings": False}, "tie_word_embeddings = False is not read"),
        ({**GPT2, "scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx = True is not read"),
    ],
)
def test_what_keras_hub_would_read_wrongly_is_skipped_with_its_reason(
    tmp_path: Path, config: dict[str, Any], why: str
) -> None:
    model = card(tmp_path, config)
    assert offers(model) == frozenset()
    told = why_not(model, "answer:choice")
    assert why in told
    assert told.endswith("the torch backend opens it")


def test_an_encoder_with_other_positions_is_skipped(tmp_path: Path) -> None:
    bert = {"model_type": "bert", "position_embedding_type": "relative_key"}
    assert "position_embedding_type" in why_not(card(tmp_path, bert, "encoder"), "embed")
    assert "4-bit" in why_not(card(tmp_path, {"model_type": "bert"}, "encoder"), "tune:qlora:choice")


def chat(folder: Path, template: Any, **special: Any) -> Chat:
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": template, **special}))
    return Chat.of(folder)


def test_a_turn_is_written_by_the_template(tmp_path: Path) -> None:
    template = "{{ bos_token }}{% for m in messages %}\n<{{ m['role'] }}>{{ m['content'] | tojson }}{% endfor %}\n>"
    found = chat(tmp_path, template, bos_token={"content": "<s>"})
    assert found.turn("é {{ 7 * 7 }}") == '<s><user>"é {{ 7 * 7 }}">', "what is said is no template"
    several = [{"name": "tools", "template": "no"}, {"name": "default", "template": "yes"}]
    assert chat(tmp_path, several).turn("x") == "yes"
    (tmp_path / "chat_template.jinja").write_text("the file's")
    assert chat(tmp_path, several).turn("x") == "the file's"


def test_no_template_is_no_chat(tmp_path: Path) -> None:
    assert Chat.of(tmp_path).template is None
    assert chat(tmp_path, "").template is None


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{{ raise_exception('only\ntools') }}", "only tools"),
        ("{{ messages.__class__.__mro__ }}{{ ''.__class__.__base__.__subclasses__() }}", "unsafe"),
        ("{{ messages[3]['role'] | upper }}{{ 1 / 0 }}", "cannot be used"),
        ("{% generation %}", "cannot be read"),
        ("{{ messages.append(1) }}", "cannot be used"),
    ],
)
def test_a_template_that_cannot_be_used_is_one_line(tmp_path: Path, template: str, told: str) -> None:
    with pytest.raises(ModelError, match=told) as raised:
        chat(tmp_path, template).turn("x")
    assert "\n" not in str(raised.value)
