"""`base`: what the model knows without any adaptation."""

from harness.plugin import Answerer, Context, Material, Session


class Base:
    def apply(
        self, session: Session | None, material: Material, answer: Answerer, context: Context
    ) -> tuple[Material, Answerer]:
        return material, answer
