"""What was found in data, as one JSON document."""

from __future__ import annotations

from pydantic import JsonValue

from zoo_common.report.inspection.found import Balance, Duplicates, Inspection, Lengths, ShownExample


def to_json(found: Inspection) -> dict[str, JsonValue]:
    """The document of ``zoo data inspect --json``."""
    return {
        "name": found.spec,
        "task": found.task,
        "data": found.data,
        "split": found.split,
        "source": found.source,
        "notes": list(found.notes),
        "examples": found.examples,
        "looked_at": found.looked_at,
        "shown": [_example(each) for each in found.shown],
        "lengths": {each.dimension: _lengths(each) for each in found.lengths},
        "batching": {
            each.batching: {"padding": each.padding, "bounds": list(each.bounds), "note": each.note}
            for each in found.waste
        },
        "classes": None if found.balance is None else _balance(found.balance),
        "duplicates": None if found.duplicates is None else _duplicates(found.duplicates),
        "why_no_duplicates": found.why_no_duplicates or None,
    }


def _example(shown: ShownExample) -> JsonValue:
    return {
        "index": shown.index,
        "shown": {
            title: [{"text": each.text, "mark": each.mark, "says": each.says or None} for each in pieces]
            for title, pieces in shown.rows
        },
        "arrays": {
            name: {"shape": list(value.shape), "dtype": str(value.dtype)}
            for name, value in shown.arrays.items()
        },
    }


def _lengths(lengths: Lengths) -> JsonValue:
    return {
        "padding": lengths.padding,
        "mean": float(lengths.real.mean()),
        "longest": int(lengths.real.max()),
        "histogram": [{"from": a, "to": b, "examples": count} for a, b, count in lengths.histogram()],
    }


def _balance(balance: Balance) -> JsonValue:
    names = balance.classes.names
    weights = balance.weights if balance.classes.exclusive else [None] * len(balance.counts)
    return {
        "of": balance.classes.of,
        "labels": balance.of,
        "classes": [
            {
                "id": label,
                "name": names[label] if label < len(names) else None,
                "count": count,
                "share": share,
                "balanced_weight": weight,
            }
            for label, (count, share, weight) in enumerate(
                zip(balance.counts, balance.shares, weights, strict=True)
            )
        ],
    }


def _duplicates(found: Duplicates) -> JsonValue:
    return {
        "what": found.what,
        "exact": found.exact,
        "but_for_case_and_white_space": found.loose,
        "with_another_label": found.relabelled,
        "evaluation": {"looked_at": found.evaluation[0], "of": found.evaluation[1]},
        "training": {"looked_at": found.training[0], "of": found.training[1]},
        "first": [{"evaluation": one, "training": other} for one, other in found.first],
    }
