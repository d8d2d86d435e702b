"""How a model's chat template writes what a user says, as Transformers renders it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from jinja2 import Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from harness.plugin import ModelError
from harness_keras.special import listed, special_tokens


@dataclass(frozen=True, slots=True)
class Chat:
    """`template` is None for a model that was not trained to chat; `special` are its tokens by role."""

    template: Template | None
    special: Mapping[str, str]

    @classmethod
    def of(cls, where: Path) -> Chat:
        text = _template(where)
        try:
            return cls(_cage().from_string(text) if text else None, special_tokens(where))
        except TemplateError as error:
            raise ModelError(f"{where}: its chat template cannot be read: {_line(error)}") from None

    def turn(self, said: str) -> str:
        """What the user says, and the start of the model's answer."""
        assert self.template is not None
        chat = [{"role": "user", "content": said}]
        try:
            return self.template.render(
                messages=chat, tools=None, documents=None, add_generation_prompt=True, **self.special
            )
        except (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise ModelError(f"its chat template cannot be used: {_line(error)}") from None


def _cage() -> ImmutableSandboxedEnvironment:
    """A template is a stranger's code; it gets what Transformers gives it."""
    cage = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
    cage.filters["tojson"] = lambda value, **options: json.dumps(value, **{"ensure_ascii": False, **options})
    cage.globals["raise_exception"] = _refuse
    cage.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return cage


def _template(where: Path) -> str | None:
    """A file of its own goes before the tokenizer's configuration; of several, the default."""
    file = where / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    found = listed(where / "tokenizer_config.json").get("chat_template")
    if isinstance(found, list):
        named = {each.get("name"): each.get("template") for each in found if isinstance(each, dict)}
        found = named.get("default")
    return found if isinstance(found, str) and found else None


def _refuse(reason: str) -> None:
    raise TemplateError(reason)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
