"""The words and the signs that stand beside the digits of a number: multipliers, currencies, units. Data only."""

import re

DASHES = "\u2212\u2013\u2010\u2011\u2014\uff0d-"
"""The signs that are written for a minus or between two numbers; the plain one comes last, for a class of a pattern."""
BLANKS = " \t\u00a0\u202f\u2009"
"""The blanks that may part a number from its neighbours."""
JOINERS = "\u200b-\u200f\u2060\ufeff\u00ad"
"""Characters that nobody sees, for a class of a pattern."""

_HUNDRED, _THOUSAND, _LAKH, _MILLION, _CRORE, _BILLION, _TRILLION = (
    10**2, 10**3, 10**5, 10**6, 10**7, 10**9, 10**12
)  # fmt: skip

MULTIPLIERS = {
    word: factor
    for words, factor in (
        ("hundred hundert hundra hundre", _HUNDRED),
        ("thousand thousands tausend tsd tys mille mila tusen tusind tusinde duizend", _THOUSAND),
        ("tysi\u0105c tysi\u0105ce tysi\u0119cy tis\u00edc tis\u00edce tuhat tuhatta", _THOUSAND),
        ("\u0442\u044b\u0441 \u0442\u044b\u0441\u044f\u0447 \u0442\u044b\u0441\u044f\u0447\u0438", _THOUSAND),
        ("lakh lakhs lac lacs", _LAKH),
        ("million millions millionen millioner mio mn mln mill miljoen miljoner miljoonaa", _MILLION),
        ("mill\u00f3n millones milh\u00e3o milh\u00f5es milione milioni milion miliony", _MILLION),
        ("milion\u00f3w milionu milion\u016f \u043c\u043b\u043d", _MILLION),
        ("\u043c\u0438\u043b\u043b\u0438\u043e\u043d \u043c\u0438\u043b\u043b\u0438\u043e\u043d\u0430", _MILLION),
        ("\u043c\u0438\u043b\u043b\u0438\u043e\u043d\u043e\u0432", _MILLION),
        ("crore crores", _CRORE),
        ("bn billion billions milliard milliards milliarde milliarden milliarder", _BILLION),
        ("miljard miljarder miliard miliardy miliard\u00f3w miliardi miliardo mrd mld mia", _BILLION),
        ("\u043c\u043b\u0440\u0434 \u043c\u0438\u043b\u043b\u0438\u0430\u0440\u0434", _BILLION),
        ("tn trn trillion trillions", _TRILLION),
        ("dozen dutzend", 12),
    )
    for word in words.split()
}
"""Words that multiply the number before them, in lower case."""

LETTERS = {
    **dict.fromkeys(("k", "K", "T"), _THOUSAND),
    **dict.fromkeys(("m", "M", "mm", "MM"), _MILLION),
    **dict.fromkeys(("b", "B", "md", "Md", "mds", "Mds"), _BILLION),
}
"""Letters that multiply an amount of money: `EUR 1.5m`. Without a currency they may be units, and are not read."""

IDEOGRAPHS = {
    **dict.fromkeys("\u767e", _HUNDRED),
    **dict.fromkeys("\u5343", _THOUSAND),
    **dict.fromkeys("\u4e07\u842c\ub9cc", 10**4),
    **dict.fromkeys("\u5104\u4ebf\uc5b5", 10**8),
}
"""Signs that multiply the number before them in Chinese, Japanese and Korean."""

NUMERALS = (
    "\u3007\u96f6\u4e00\u4e8c\u4e09\u56db\u4e94\u516d\u4e03\u516b\u4e5d\u5341\u767e\u5343\u4e07\u842c\u5104\u4ebf"
    "\u5146\u4eac\u534a\u5206\u70b9\u9ede\u5272\u4e24\u58f1\u5f10\u53c2\uc2ed\ubc31\ucc9c\ub9cc\uc5b5\uc870"
)
"""Numerals of these scripts. A number with one that is not understood is not read."""

UNSURE = re.compile(
    r"(?:mil(?!es?\b|k|d|l?i?(?:gram|met|lit|sec|sek|volt|amp|watt|bar))|bil(?!l(?!i)|d)|tri?l(?:l?i|j)|quadri|bio\b|bln\b"
    r"|bin\b|ezer\b|crs?\b|dr\b|per ?mille|pro ?mille|promille"
    r"|\u0442\u044b\u0441|\u043c\u0438\u043b\u043b|\u0431\u0438\u043b\u043b|\u03c7\u03b9\u03bb|\u03b5\u03ba\u03b1\u03c4"
    r"|\u03b4\u03b9\u03c3|\u0932\u093e\u0916|\u0915\u0930\u094b|\u0939\u091c|\u0939\u095b|\u0623\u0644\u0641"
    r"|\u0622\u0644\u0627\u0641|\u0645\u0644\u064a|\u0645\u0644\u0627\u064a)",
    re.IGNORECASE,
)
"""The beginnings of words that may multiply a number, in a language or a scale that is not known."""

SIGNS_OF_MONEY = "$\u00a3\u00a4\u00a5\u0e3f\u20a1\u20a6\u20a9-\u20ac\u20b1\u20b2\u20b4\u20b5\u20b8-\u20bd"
"""For a class of a pattern."""
CODES_OF_MONEY = (
    "EUR|USD|GBP|NOK|CAD|CHF|SEK|DKK|AUD|NZD|PLN|JPY|CZK|HUF|RON|BGN|ISK|TRY|UAH|RUB|INR|CNY|RMB|KRW|SGD|HKD|TWD|"
    "THB|MXN|BRL|ARS|CLP|COP|ZAR|ILS|AED|SAR|PKR|IDR|MYR|PHP|VND|NGN|KES|EGP|Rs|SFr|kr|z\u0142|K\u010d|Ft|Fr"
)
_WORDS_OF_MONEY = "euros?|dollars?|pounds?|francs?|franken|kronor|kroner|zloty|yen|yuan|rupees?|pesos?|reais|real"

MONEY_BEFORE = (
    rf"(?:(?<![^\W\d_])(?P<kilo>[kKTM])?(?:{CODES_OF_MONEY})\.?|"
    rf"(?<![^\W\d_])(?P<kilo_sign>[kKTM]|[A-Z]{{1,3}})?[{SIGNS_OF_MONEY}])"
)
"""A currency before a number. `kEUR` and `TEUR` count thousands."""
MONEY_AFTER = re.compile(
    rf"[ \u00a0\u202f]?(?:(?P<kilo>[kKTM])?(?:[{SIGNS_OF_MONEY}]|(?:{CODES_OF_MONEY})(?![^\W\d_]))"
    rf"|(?i:{_WORDS_OF_MONEY}|\u5186|\u5143|\uc6d0)(?![a-z]))"
)
"""A currency after a number."""

UNITS = re.compile(
    r"(?:[kmcd\u00b5\u03bcnhdM]?(?:g|l|L|m[\u00b2\u00b3]|m[23]|s|W|Wh|V|A|Hz|Pa|J|B|bar|cal)|[kcdn\u00b5\u03bc]m|mm|[GT](?:W|Wh|Hz|B)|[KMG]iB"
    r"|kn|kph|km/h|mph|h|min|hrs?|mins?|secs?|t|lbs?|oz|ft|yd|ha|qm|cbm|pcs?|Stk|St\u00fcck|rpm|ppm|px|pt|dB|lm|lx"
    r"|[xX]|\u00d7|\u00b0(?:[CFK])?)(?![\w\u00b2\u00b3\u00b9\u2070-\u209f])"
)
"""The units that may stand right beside the digits: they do not change the number."""


def is_ideograph(sign: str) -> bool:
    """Return whether a sign is of a script that writes no spaces beside a number: Chinese, Japanese, Korean."""
    return "\u3040" <= sign <= "\u30ff" or "\u3400" <= sign <= "\u9fff" or "\uac00" <= sign <= "\ud7af"
