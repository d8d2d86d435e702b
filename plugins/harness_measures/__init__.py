"""Accuracy, calibration, overfitting, bias, retrieval and cost: pure functions of stored evidence."""

from collections.abc import Iterable

from harness.plugin import MeasureSpec, hookimpl, later


def _spec(module: str, name: str, summary: str, *scopes: str) -> MeasureSpec:
    return MeasureSpec(name, summary, later(f"harness_measures.{module}:{name}"), frozenset(scopes or {"test"}))


@hookimpl
def harness_measures() -> Iterable[MeasureSpec]:
    return [
        _spec("accuracy", "accuracy", "share of questions answered right", "test", "sets", "groups", "suites"),
        _spec("accuracy", "macro_f1", "F1 averaged over labels", "test", "sets"),
        _spec("calibration", "ece", "distance between how sure and how often right, over bins", "test", "sets"),
        _spec("calibration", "brier", "squared error of the probabilities of all choices", "test", "sets"),
        _spec(
            "selective", "aurc", "wrong answers among the surest, averaged over how many are answered", "test", "sets"
        ),
        _spec("answering", "abstention", "unanswerable questions on which it abstains", "test", "sets"),
        _spec("answering", "fabrication", "unanswerable questions that it answers all the same", "test", "sets"),
        _spec("answering", "overcaution", "answerable questions on which it abstains", "test", "sets"),
        _spec("overfitting", "overfit_gap", "accuracy on training rows minus accuracy on test rows"),
        _spec("bias", "group_gap", "largest difference in accuracy between the values of one group"),
        _spec("bias", "bias_delta", "that difference minus the one of the same model unadapted"),
        _spec("fairness", "parity_gap", "largest difference in getting the positive label between values of one group"),
        _spec("fairness", "odds_gap", "largest difference in true or false positive rate between values of one group"),
        _spec("rates", "selection_rate", "share of rows given the positive label", "test", "groups"),
        _spec("rates", "true_positive_rate", "the same of rows whose gold it is", "test", "groups"),
        _spec("rates", "false_positive_rate", "the same of rows whose gold it is not", "test", "groups"),
        _spec("bias", "flip_rate", "share of questions whose answer changes with the person's name"),
        _spec("suites", "stereotype_share", "pairs of sentences of which the more stereotyping is chosen", "suites"),
        _spec("forgetting", "forgetting", "what training made the model forget of texts beside the task"),
        _spec("bias", "flip_rate_within", "the same for names of one group: what any other name would do"),
        _spec("bias", "flip_excess", "flips between groups less flips within one, of the same questions"),
        _spec("suites", "bbq_s_dis", "BBQ: bias score where the context tells the answer", "suites"),
        _spec("suites", "bbq_s_amb", "BBQ: bias score where the context does not", "suites"),
        _spec("suites", "pro_anti_gap", "accuracy on pro- less accuracy on anti-stereotypical sentences", "suites"),
        _spec("suites", "pronoun_consistency", "pairs of sentences answered alike for he and she", "suites"),
        _spec("suites", "gotcha_gap", "accuracy on other sentences less accuracy on gotchas", "suites"),
        _spec("retrieval", "hit_at_k", "share of questions whose evidence is among the passages read", "test", "sets"),
        _spec("retrieval", "mrr", "mean reciprocal rank of the evidence among the passages read", "test", "sets"),
        _spec("retrieval", "hit_right", "share of questions whose evidence was read and that were answered right"),
        _spec("retrieval", "hit_wrong", "share whose evidence was read, answered wrong: the reader's failures"),
        _spec("retrieval", "miss_right", "share whose evidence was not read, answered right all the same"),
        _spec("retrieval", "miss_wrong", "share whose evidence was not read, answered wrong: the retriever's failures"),
        _spec("cost", "train_s", "seconds to adapt, assets included"),
        _spec("cost", "predict_s", "seconds to answer the test set"),
        _spec("cost", "latency_p50_ms", "median time of one question alone"),
        _spec("cost", "latency_p95_ms", "95th percentile of the time of one question alone"),
        _spec("cost", "peak_ram_bytes", "most memory held above the zygote"),
        _spec("cost", "peak_device_bytes", "most accelerator memory held"),
        _spec("cost", "artifact_bytes", "size of the saved adaptation"),
        _spec("cost", "index_bytes", "size of what it reads beside the question"),
        _spec("cost", "energy_kwh", "energy of adapting, by the hardware's own counters"),
        _spec("cost", "gpu_hours", "hours of a GPU to adapt: measured on one, or training FLOPs projected onto one"),
        _spec("cost", "train_usd", "those hours at that GPU's dated price"),
        _spec("cost", "usd_per_1k", "1,000 answers where they were given, at the dated price of that device"),
    ]
