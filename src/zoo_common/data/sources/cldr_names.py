"""The names of Unicode's CLDR, out of ``babel``, in two languages side by side: a pair for each that both have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from zoo_common.data.base import Split
from zoo_common.data.records import Look, read_records
from zoo_common.data.sources.held import HeldRecords
from zoo_spec.data.cldr_names import CldrNames
from zoo_spec.data.records import TextPair
from zoo_spec.errors import InputError
from zoo_spec.importing import require_extra

_TABLES = ("territories", "languages", "scripts", "currencies", "variants")
_ZONES = ("meta_zones", "time_zones")
Names = dict[tuple[str, ...], str]
"""By the table and the code that they stand under."""


def names_of(language: str) -> Names:
    """All names of a language; InputError for one that this ``babel`` has no data of."""
    from babel import Locale, UnknownLocaleError

    try:
        locale = Locale.parse(language)
    except (UnknownLocaleError, ValueError) as error:
        raise InputError(
            f"CLDR has no language {language!r}: {error}; name one such as en, de or sr_Latn"
        ) from None
    found: Names = {}
    for table in _TABLES:
        found |= {
            (table, str(code)): name for code, name in getattr(locale, table).items() if isinstance(name, str)
        }
    for table in _ZONES:
        for code, zone in getattr(locale, table).items():
            found |= {(table, str(code), *path): name for path, name in _leaves(zone)}
    return found


def _leaves(table: Mapping[str, object]) -> Iterator[tuple[tuple[str, ...], str]]:
    for key, value in table.items():
        if isinstance(value, str):
            yield (key,), value
        elif isinstance(value, Mapping):
            yield from (((key, *path), name) for path, name in _leaves(value))


@read_records.register
def _read(data: CldrNames, split: Split, look: Look) -> HeldRecords:
    require_extra("babel", library="babel", extra="names", what="data of kind 'cldr_names'")
    from babel import __version__

    source, target = names_of(data.source_language), names_of(data.target_language)
    # A pair that stands under several codes must not be learned and asked both, nor one source have two answers.
    pairs: dict[str, tuple[str, str]] = {}
    for code in sorted(source.keys() & target.keys()):
        if source[code].strip() and target[code].strip():
            pairs.setdefault(source[code], (target[code], "/".join(code)))
    if not pairs:
        raise InputError(
            f"CLDR has no name in both {data.source_language!r} and {data.target_language!r}; name other languages"
        )
    records = [TextPair(f"CLDR {code}", text, made) for text, (made, code) in sorted(pairs.items())]
    size = sum(len(text.encode()) for record in records for text in (record.source, record.target))
    about = f"CLDR's names in {data.source_language} and {data.target_language} (babel {__version__})"
    return HeldRecords(records, about, size, look, libraries=("babel",))
