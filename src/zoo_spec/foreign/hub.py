"""What the configurations of all families of ``transformers`` share: heads, and keys that say nothing."""

from __future__ import annotations

from pydantic import JsonValue

from zoo_spec.foreign.config import Config, Fields, Only, TaskClass

LABELS = ("id2label", "label2id", "num_labels")


def keys(text: str) -> frozenset[str]:
    """The keys that stand in a text."""
    return frozenset(text.split())


# Of every configuration, then of generation, which 4.x wrote into config.json.
NOTHING = keys(
    """
    _attn_implementation _attn_implementation_autoset _commit_hash _name_or_path _num_labels architectures
    attn_implementation chunk_size_feed_forward dtype finetuning_task gradient_checkpointing
    is_encoder_decoder language model_type name_or_path output_attentions output_hidden_states output_past
    return_dict return_dict_in_generate sep_token_id task_specific_params tf_legacy_loss tokenizer_class
    torch_dtype torchscript transformers.js_config transformers_version use_bfloat16 use_cache
    use_return_dict prefix keys_to_ignore_at_inference bad_words_ids begin_problem_type suppress_tokens
    bos_token_id decoder_start_token_id diversity_penalty do_sample early_stopping
    encoder_no_repeat_ngram_size eos_token_id exponential_decay_length_penalty forced_bos_token_id
    forced_eos_token_id length_penalty max_length min_length no_repeat_ngram_size num_beam_groups num_beams
    num_return_sequences output_scores pad_token_id remove_invalid_values repetition_penalty problem_type
    temperature top_k top_p typical_p
    """
)
"""Keys that change nothing of what is computed. Of the special tokens the tokenizer tells."""

EVERYWHERE = (
    Only("auto_map", (None,), "what the folder's own code computes is not known here"),
    Only("quantization_config", (None,), "quantized weights are not read; give the folder of before"),
    Only("pruned_heads", (None, {}), "heads that were cut out have no place here"),
    Only("tie_encoder_decoder", (None, False), "the two halves have weights of their own here"),
    Only("cross_attention_hidden_size", (None,), "no decoder of another width is read"),
    Only("adapters", (None,), "adapters are not read; merge them first"),
    Only("sliding_window", (None, False), "no position is kept from seeing distant ones here"),
    Only("rope_scaling", (None,), "rotary positions are not scaled here"),
)
ENCODER = (
    Only("position_embedding_type", ("absolute", None), "positions are learned and absolute here"),
    Only("is_decoder", (False, None), "each position sees those after it too, here"),
    Only("add_cross_attention", (False, None), "there is no second sequence here"),
    Only(
        "tie_word_embeddings",
        (True, None),
        "the words' scores are of the embedding's own table here",
        of=("masked_lm", "masked_lm_next_sentence"),
    ),
)
"""What BERT and its descendants refuse."""
DECODER = (Only("add_cross_attention", (False, None), "there is no second sequence here"),)


def plain(architecture: str, kind: str, *, draws: str = "") -> TaskClass:
    """A class with the head of this kind of task, of which its configuration says nothing more."""
    return TaskClass(architecture, (kind,), lambda _: {"kind": kind}, lambda _: {}, draws=draws)


def classes_of(config: Config) -> int:
    """How many labels a configuration has; two where it says nothing."""
    for key in ("id2label", "label2id"):
        table = config.get(key)
        if isinstance(table, dict) and table:
            return len(table)
    count = config.get("num_labels", config.get("_num_labels", 2))
    if not isinstance(count, int) or isinstance(count, bool):
        raise ValueError(f"num_labels is {count!r}, and a number is expected")
    return count


def labels_of(config: Config) -> list[str] | None:
    """The labels' names in the order of their ids; None where there are none, or only those that count them."""
    table = config.get("id2label")
    if not isinstance(table, dict) or not table:
        return None
    try:
        names = {int(index): str(name) for index, name in table.items()}
        found = [names[index] for index in range(len(names))]
    except (ValueError, KeyError):
        raise ValueError(
            f"id2label has the ids {', '.join(map(str, table))}, and they count from 0"
        ) from None
    return None if found == [f"LABEL_{index}" for index in range(len(found))] else found


def labelled(architecture: str, kind: str, *, dropout: str | None = None) -> TaskClass:
    """A class whose head gives each label a score; ``dropout`` is the key of its rate."""

    def read(config: Config) -> Fields:
        return {"kind": kind, "classes": classes_of(config), **_dropout(config, dropout)}

    return TaskClass(architecture, (kind,), read, lambda task: _written(task, dropout), _keys(dropout))


def sequence(architecture: str, *, bias: bool = True, dropout: str | None = None) -> TaskClass:
    """A class that says something of a whole text: a label, several, or a number, as ``problem_type`` says."""

    def read(config: Config) -> Fields:
        count, problem = classes_of(config), config.get("problem_type")
        rest: dict[str, JsonValue] = {**({} if bias else {"bias": False}), **_dropout(config, dropout)}
        if problem == "regression" or (problem is None and count == 1):
            if count != 1:
                raise ValueError(f"problem_type is regression of {count} numbers, and one is told here")
            return {"kind": "sequence_regression", **rest}
        kinds = {
            None: "sequence_classification",
            "single_label_classification": "sequence_classification",
            "multi_label_classification": "sequence_multi_label_classification",
        }
        if not isinstance(problem, str | None) or problem not in kinds:
            raise ValueError(f"problem_type is {problem!r}, and {', '.join(filter(None, kinds))} are known")
        return {"kind": kinds[problem], "classes": count, **rest}

    def write(task: Fields) -> Config:
        if bool(task.get("bias", True)) != bias:
            raise ValueError(
                f"task.bias is {task['bias']}, and {architecture} has {'one' if bias else 'none'}"
            )
        problem = {
            "sequence_regression": "regression",
            "sequence_multi_label_classification": "multi_label_classification",
        }.get(str(task["kind"]), "single_label_classification")
        return {"problem_type": problem, **_written({"classes": 1, **task}, dropout)}

    kinds = ("sequence_classification", "sequence_multi_label_classification", "sequence_regression")
    return TaskClass(architecture, kinds, read, write, (*_keys(dropout), "problem_type"))


def _keys(dropout: str | None) -> tuple[str, ...]:
    return (*LABELS, *([dropout] if dropout else []))


def _dropout(config: Config, key: str | None) -> Fields:
    rate = config.get(key) if key else None
    return {} if rate is None else {"dropout": rate}


def _written(task: Fields, dropout: str | None) -> Config:
    """Labels that nobody has named, as ``transformers`` numbers them."""
    count = task["classes"]
    names: dict[str, JsonValue] = {
        str(index): f"LABEL_{index}" for index in range(count if isinstance(count, int) else 0)
    }
    ids: dict[str, JsonValue] = {str(name): int(index) for index, name in names.items()}
    rate: Config = {dropout: task.get("dropout")} if dropout else {}
    return {"id2label": names, "label2id": ids, **rate}
