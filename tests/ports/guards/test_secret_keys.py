"""Keys of every provider and service that the platform can name are found by their forms, in disguise too."""

import string
import time
import tomllib
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.adapters.guards.guardrails_validators import Secrets
from activities.adapters.guards.secret_keys import FORMS, NAMED, keys_in
from activities.adapters.model_servers.catalogue import Provider
from activities.settings import ROOT
from tests.arch.files import written

SENTENCES = (
    "Please use {} for it.",
    "{}",
    "key={}\n",
    '{{"k": "{}"}}',
    "curl -H 'x: {}' https://example.com",
    "(\u201c{}\u201d)",
)
RANDOM = "q7Zx2Lm9Tr4Vb8Nc1Wp6Ks3Hd5Gj0Fy2"


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_key_of_any_form_is_found_in_any_sentence(data: st.DataObject) -> None:
    form = FORMS[data.draw(st.sampled_from(sorted(FORMS)))]
    key = data.draw(st.from_regex(form, fullmatch=True, alphabet=st.characters(codec="ascii")))
    assert keys_in(data.draw(st.sampled_from(SENTENCES)).format(key))


@given(
    bare=st.sampled_from(["sk-ant-api03-", "hf_", "AIzaSy", "gsk_", "xai-", "r8_", "pplx-", "nvapi-", "sk-or-v1-"]),
    rest=st.text(string.ascii_letters + string.digits, min_size=40, max_size=40),
    at=st.integers(1, 40),
    unseen=st.sampled_from(["", "\u200b", "\u2060", "\u00ad", "\ufe0f"]),
)
def test_a_bare_key_is_found_with_characters_between_that_nobody_sees(
    bare: str, rest: str, at: int, unseen: str
) -> None:
    key = bare + rest
    assert keys_in(f"My key is {key[:at]}{unseen}{key[at:]}, is it still good?")
    wide = "".join(chr(ord(sign) + 0xFEE0) for sign in key)
    assert keys_in(f"My key is {wide}.")


def test_every_provider_that_a_catalogue_can_name_has_a_form_or_is_known_by_name() -> None:
    files = (ROOT / "deploy" / "models").glob("*.toml")
    named = {entry["provider"] for file in files for entry in tomllib.loads(file.read_text())["deployments"].values()}
    assert named
    assert not {
        provider for provider in (*named, *get_args(Provider)) if provider not in FORMS and provider not in NAMED
    }


def test_a_key_without_a_form_is_found_by_the_variable_that_is_named_for_its_provider() -> None:
    names = [name.upper().replace("-", "_").replace(" ", "_") for name in (*FORMS, *NAMED, "some_new_provider")]
    assert [name for name in names if not keys_in(f"export {name}_API_KEY={RANDOM}")] == []


def test_a_key_without_a_form_is_found_beside_the_name_of_its_provider() -> None:
    names = [name.replace(" ?", " ") for name in NAMED]
    assert [name for name in names if not keys_in(f"The {name.title()} key is {RANDOM} until May.")] == []


@pytest.mark.parametrize(
    "text",
    [
        "The sk-learn-contrib-imbalanced-learning-2026 package",
        "hf_hub_download(repo_id)",
        "The token limit is 200000 and the key is on the left.",
        "See sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 for the edition.",
        "commit 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b, run default:3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "Which key figures does the key-account-manager-handbook-2026-edition name?",
        "API key: ask the service desk. Access token: none. PERDURE_MODEL__API_KEYS is read once.",
    ],
)
def test_what_only_looks_like_a_key_is_none(text: str) -> None:
    assert keys_in(text) == []


def test_no_page_and_no_data_set_of_the_repository_holds_a_key() -> None:
    pages = [path for path in written() if path.suffix in (".md", ".toml") and "tests" not in path.parts]
    assert len(pages) > 50
    assert {str(path): found for path in pages if (found := keys_in(path.read_text()))} == {}


@pytest.mark.parametrize(
    "worst", ["a", "_", "sk-", "key ", "token_", "mistral ", "x_key=", "api key is ", "1:AA", "ya29.", "\u200b", "[at]"]
)
def test_a_text_that_was_made_to_be_slow_is_searched_in_time(worst: str) -> None:
    text = worst * (100_000 // len(worst))
    began = time.process_time()
    keys_in(text)
    assert (
        time.process_time() - began < 2
    )  # a fifth of a second where it is slowest; hours where it grows with the square


def test_the_guard_finds_them() -> None:
    for key in (f"sk-ant-api03-{RANDOM}", f"hf_{RANDOM}", f"AIzaSy{RANDOM}"):
        assert getattr(Secrets().validate(f"Is {key} still good?", {}), "error_message", "").startswith(
            "it holds a secret"
        )
