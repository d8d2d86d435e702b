"""Tiny checkpoints in the Hugging Face layout, made here: random weights, a real tokenizer, the real loading path."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WORDS = {
    "behaviour": ["when", "are", "owls", "larks", "bats", "bees", "foxes", "cats", "active", "at"],
    "times": ["night", "morning", "dusk", "noon", "dawn", "evening", "0", "1", "2", "3", "4"],
    "asking": ["wording", "ann", "bob", "asks", "question", "passage", "choices", "answer", "user", "assistant"],
    "signs": ["?", ",", ".", ":", "-"],
}
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[BOS]"]
VOCABULARY = len(SPECIAL) + sum(map(len, WORDS.values()))
WIDTH = 32
SIZES: dict[str, int] = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
}


def _tokenizer(folder: Path, chat: bool = False) -> None:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {
        word: number for number, word in enumerate([*SPECIAL, *(word for words in WORDS.values() for word in words)])
    }
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    if not chat:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]",
            pair="[CLS] $A [SEP] $B:1 [SEP]:1",
            special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
        )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
    if chat:
        fast.bos_token = "[BOS]"
        fast.chat_template = (
            "{% for m in messages %}[BOS] {{ m['role'] }} : {{ m['content'] }}{% endfor %}"
            "{% if add_generation_prompt %} assistant :{% endif %}"
        )
    fast.save_pretrained(folder)


def encoder(folder: Path) -> Path:
    """A two-layer BERT."""
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=128,
    )
    BertModel(config).save_pretrained(folder)
    _tokenizer(folder)
    return folder


def sentence_encoder(folder: Path) -> Path:
    """The same, with the marks of a sentence encoder."""
    encoder(folder)
    (folder / "modules.json").write_text("[]")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    return folder


def distilled(folder: Path) -> Path:
    """A two-layer DistilBERT: an encoder that knows no positions but its own, nor types of tokens."""
    import torch
    from transformers import DistilBertConfig, DistilBertModel

    torch.manual_seed(0)
    config = DistilBertConfig(
        vocab_size=VOCABULARY, dim=WIDTH, n_layers=2, n_heads=4, hidden_dim=64, max_position_embeddings=128
    )
    DistilBertModel(config).save_pretrained(folder)
    _tokenizer(folder)
    return folder


def gpt2(folder: Path) -> Path:
    """Two layers of it: its weights lie the other way round, and queries, keys and values in one."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=VOCABULARY, n_embd=WIDTH, n_layer=2, n_head=4, n_positions=256, bos_token_id=4, eos_token_id=3
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    _tokenizer(folder, chat=True)
    return folder


def causal(folder: Path, chat: bool = True) -> Path:
    """A two-layer Llama."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        bos_token_id=4,
        eos_token_id=3,
        pad_token_id=0,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    _tokenizer(folder, chat)
    return folder


def waves(folder: Path) -> Path:
    """A Llama with an output matrix of its own, Llama 3's longer waves, coarse norms and no chat template."""
    from transformers import LlamaConfig, LlamaForCausalLM

    turning = {
        **{"rope_type": "llama3", "rope_theta": 500.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0},
        "original_max_position_embeddings": 32,
    }
    config = LlamaConfig(**SIZES, rope_parameters=turning, rms_norm_eps=1e-2, tie_word_embeddings=False)
    _save(LlamaForCausalLM(config), folder)
    _tokenizer(folder)
    return folder


def qwen2(folder: Path) -> Path:
    """Biases on queries, keys and values; its own tokenizer, which reads bytes."""
    from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen2Tokenizer

    vocabulary, merges = _bytes()
    sizes = {**SIZES, "vocab_size": 300, "max_position_embeddings": 512}
    _save(Qwen2ForCausalLM(Qwen2Config(**sizes, tie_word_embeddings=True)), folder)
    Qwen2Tokenizer(vocab=vocabulary, merges=merges).save_pretrained(folder)
    return folder


def qwen3(folder: Path) -> Path:
    """Norms on queries and keys, and heads wider than the hidden size over their number."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    _save(Qwen3ForCausalLM(Qwen3Config(**SIZES, head_dim=16, tie_word_embeddings=True)), folder)
    _tokenizer(folder, chat=True)
    return folder


def byte_gpt2(folder: Path) -> Path:
    """A GPT-2 with coarse norms that reads bytes, as its tokenizer does; no file names a special token."""
    from transformers import GPT2Config, GPT2LMHeadModel, GPT2Tokenizer

    vocabulary, merges = _bytes()
    sizes = {"vocab_size": 300, "n_embd": WIDTH, "n_layer": 2, "n_head": 4, "n_positions": 512}
    config = GPT2Config(**sizes, layer_norm_epsilon=1e-2, activation_function="gelu")
    _save(GPT2LMHeadModel(config), folder)
    GPT2Tokenizer(vocab=vocabulary, merges=merges).save_pretrained(folder)
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 512}))
    return folder


def _bytes() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """A vocabulary of 300 bytes and pairs of them, and the pairs in order."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([" ".join(word for words in WORDS.values() for word in words)] * 4, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    assert len(model["vocab"]) == 300
    return model["vocab"], [tuple(pair) for pair in model["merges"]]


def _save(model: Any, folder: Path) -> None:
    """With norms and biases that do something, which a new model's do not."""
    import torch

    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn(weight.shape, generator=random))
    model.save_pretrained(folder)
