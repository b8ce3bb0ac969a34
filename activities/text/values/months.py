"""The names of the months in the languages whose dates are read. Pure."""

LANGUAGES = (
    "English",
    "German",
    "Norwegian",
    "Danish",
    "Swedish",
    "Dutch",
    "French",
    "Spanish",
    "Portuguese",
    "Italian",
)
"""The languages whose months are read by their names and by abbreviations of three letters or more."""

LANGUAGES_IN_FULL = ("Polish", "Czech", "Finnish", "Croatian")
"""The languages whose months are read by their full names: their abbreviations would be other months elsewhere."""

_NAMES = (
    "january januar januari janvier enero janeiro gennaio",
    "february februar februari f\u00e9vrier fevrier febrero fevereiro febbraio",
    "march m\u00e4rz maerz mars marts maart mrt marzo mar\u00e7o marco",
    "april avril abril aprile",
    "may mai maj mei mayo maio maggio",
    "june juni juin junio junho giugno",
    "july juli juillet julio julho luglio",
    "august augusti augustus ao\u00fbt aout agosto",
    "september septembre septiembre setembro settembre",
    "october oktober octobre octubre outubro ottobre",
    "november novembre noviembre novembro",
    "december dezember desember d\u00e9cembre decembre diciembre dezembro dicembre",
)
_FULL_NAMES = (
    "stycze\u0144 stycznia leden ledna tammikuu tammikuuta sije\u010danj sije\u010dnja",
    "luty lutego \u00fanor \u00fanora helmikuu helmikuuta velja\u010da velja\u010de",
    "marzec marca b\u0159ezen b\u0159ezna maaliskuu maaliskuuta o\u017eujak o\u017eujka",
    "kwiecie\u0144 kwietnia duben dubna huhtikuu huhtikuuta travanj travnja",
    "maj maja kv\u011bten kv\u011btna toukokuu toukokuuta svibanj svibnja",
    "czerwiec czerwca \u010derven \u010dervna kes\u00e4kuu kes\u00e4kuuta lipanj lipnja",
    "lipiec lipca \u010dervenec \u010dervence hein\u00e4kuu hein\u00e4kuuta srpanj srpnja",
    "sierpie\u0144 sierpnia srpen srpna elokuu elokuuta kolovoz kolovoza",
    "wrzesie\u0144 wrze\u015bnia z\u00e1\u0159\u00ed syyskuu syyskuuta rujan rujna",
    "pa\u017adziernik pa\u017adziernika \u0159\u00edjen \u0159\u00edjna lokakuu lokakuuta listopad listopada",
    "listopad listopada listopadu marraskuu marraskuuta studeni studenoga studenog",
    "grudzie\u0144 grudnia prosinec prosince joulukuu joulukuuta prosinac prosinca",
)
"""January first. `listopada` is November in Polish and October in Croatian, and so has two readings."""

_SHORTEST = 3
"""The fewest letters of an abbreviated month."""


def _by_name() -> dict[str, tuple[int, ...]]:
    """Return the months of every name and of every abbreviation."""
    whole: dict[str, set[int]] = {}
    cut: dict[str, set[int]] = {}
    for month, (names, full_names) in enumerate(zip(_NAMES, _FULL_NAMES, strict=True), start=1):
        for name in (*names.split(), *full_names.split()):
            whole.setdefault(name, set()).add(month)
        for name in names.split():
            for length in range(_SHORTEST, len(name)):
                cut.setdefault(name[:length], set()).add(month)
    one_month = {name: months for name, months in cut.items() if len(months) == 1}
    return {name: tuple(sorted(months)) for name, months in (one_month | whole).items()}


_MONTHS = _by_name()


def months_named(word: str) -> tuple[int, ...]:
    """Return the months of this name or abbreviation, 1 to 12; none for another word, several if it is ambiguous."""
    return _MONTHS.get(word.casefold(), ())
