"""Text to token ids by the model's `tokenizer.json`: KerasHub's tokenizers keep accents where the model's do not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from harness.items import Encoded, Ids
from harness.plugin import ModelError
from harness_keras.special import special_tokens


class Tokens:
    """Cuts like Transformers' tokenizers: on the right, of a pair the longer text first."""

    def __init__(self, where: Path) -> None:
        file = where / "tokenizer.json"
        if not file.is_file():
            raise ModelError(f"{where} has no tokenizer.json, which the keras backend reads; use the torch backend")
        try:
            self._reader = Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises nothing narrower
            raise ModelError(f"{file} cannot be read: {' '.join(str(error).split())[:200]}") from None
        self._reader.no_padding()
        self.special = special_tokens(where)
        known = {each.content for each in self._reader.get_added_tokens_decoder().values()}
        missing = [text for text in self.special.values() if text not in known]
        # One that is in no vocabulary would get a number that the model does not have.
        self._reader.add_special_tokens([text for text in missing if self._reader.token_to_id(text) is not None])

    def __call__(self, texts: Sequence[str], max_tokens: int) -> list[Ids]:
        return [tuple(ids) for ids in self.encode(list(texts), None, max_tokens)[0]] if texts else []

    def encode(self, firsts: list[str], seconds: list[str] | None, max_tokens: int) -> Encoded:
        self._reader.enable_truncation(max_tokens)
        given = firsts if seconds is None else list(zip(firsts, seconds, strict=True))
        found = self._reader.encode_batch(given)
        return [each.ids for each in found], [each.type_ids for each in found]

    def whole(self, texts: list[str], special: bool) -> list[list[int]]:
        """Uncut, with the special tokens or without."""
        self._reader.no_truncation()
        return [each.ids for each in self._reader.encode_batch(texts, add_special_tokens=special)]

    @property
    def start(self) -> int | None:
        """What texts begin with; None for a tokenizer that begins with nothing."""
        token = self.special.get("bos_token")
        found: int | None = None if token is None else self._reader.token_to_id(token)
        return found

    def size(self, text: str) -> int:
        """Tokens of the whole text, without special ones."""
        self._reader.no_truncation()
        return len(self._reader.encode(text, add_special_tokens=False).ids)
