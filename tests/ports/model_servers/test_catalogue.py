"""The model catalogue: the deployment that it binds a tier to, and the message of one line for a mistake in it."""

from pathlib import Path

import pytest

from activities.adapters.model_servers.catalogue import CatalogueFile
from activities.ports import NotConfigured
from activities.settings import PROFILES, Paths

GOOD = """
[tiers]
fast = ["small"]
strong = ["large", "small"]

[deployments.small]
model = "small-1"
provider = "hosted_vllm"
endpoint = "http://127.0.0.1:8081/v1"
context_window = 100
concurrency = 4
prices = { input = 1, output = 2 }

[deployments.large]
model = "large-1"
provider = "openai"
endpoint = "https://models.example/v1"
context_window = 200
concurrency = 2
api_key = "cloud"
capabilities = { tools = "native", json_schema = true, logprobs = true }
prices = { input = 3, output = 4 }
"""


def read(folder: Path, text: str) -> CatalogueFile:
    file = folder / "models.toml"
    file.write_text(text)
    return CatalogueFile(file, {})


def test_a_tier_is_bound_to_its_first_deployment_that_is_not_excluded(tmp_path: Path) -> None:
    catalogue = read(tmp_path, GOOD)
    bound = catalogue.deployment_for("strong")
    assert (bound.name, bound.tier, bound.task_queue) == ("large", "strong", "perdure-generation-large")
    assert (bound.context_window, bound.prices.input, bound.prices.output) == (200, 3, 4)
    assert catalogue.deployment_for("strong", excluding=["large"]).name == "small"
    assert catalogue.deployment_for("strong", excluding=["large"]).tier == "strong"
    assert catalogue.deployment_for("strong", excluding=["large", "small"]).name == "large", "there is no other left"


def test_a_deployment_whose_window_is_too_small_is_passed_over_unless_all_are(tmp_path: Path) -> None:
    catalogue = read(tmp_path, GOOD)
    assert catalogue.deployment_for("strong", ["large"], window=100).name == "small"
    assert catalogue.deployment_for("strong", ["large"], window=101).name == "large", "it may be well again"
    assert catalogue.deployment_for("strong", ["large"], window=201).name == "small", "none has so much: any will do"


def test_an_endpoint_of_the_settings_comes_before_the_files(tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    file.write_text(GOOD)
    catalogue = CatalogueFile(file, {"small": "http://127.0.0.1:9/v1"})
    assert catalogue.entry("small").endpoint == "http://127.0.0.1:9/v1"
    assert catalogue.entry("large").endpoint == "https://models.example/v1"


@pytest.mark.parametrize(
    ("was", "becomes", "match"),
    [
        ("context_window = 100", "window = 100", r"deployments\.small\.window: Extra inputs .* \(got 100\)"),
        ("concurrency = 4", "concurrency = 0", r"deployments\.small\.concurrency: .*greater than or equal to 1"),
        ("concurrency = 4", "", r"deployments\.small\.concurrency: Field required"),
        ("input = 1,", "input = -1,", r"deployments\.small\.prices\.input: .*greater than or equal to 0 \(got -1\)"),
        ("input = 1,", "inptu = 1,", r"deployments\.small: prices has no key 'inptu': write input and output"),
        (
            '"hosted_vllm"',
            '"vllm"',
            r"deployments\.small\.provider: .*'hosted_vllm', 'sglang', 'openai' or 'anthropic' \(got 'vllm'\)",
        ),
        (
            '"http://127.0.0.1:8081/v1"',
            '"127.0.0.1:8081"',
            r"deployments\.small\.endpoint: String should match pattern '[^']*';",
        ),
        ('"https://', '"https://user:word@', r"deployments\.large\.endpoint"),
        ('"native"', '"some"', r"deployments\.large\.capabilities\.tools: .*\(got 'some'\)"),
        ('"native", json_schema = true', '"schema"', r"capabilities: tools = \"schema\" needs json_schema = true"),
        ('api_key = "cloud"', 'adapter = "legal"', r"deployments\.large: adapter is for provider = \"sglang\" alone"),
        (
            'api_key = "cloud"',
            'admin_key = "boss"',
            r"large: admin_key is for provider = \"sglang\" alone",
        ),
        ('"hosted_vllm"', '"sglang"\nadapter = "legal"', r"small: adapter needs capabilities\.adapters = true"),
        ('model = "small-1"\nprovider = "hosted_vllm"', 'model = "a:b"\nprovider = "sglang"', r"'a:b' .*as adapter"),
        ('"hosted_vllm"\nendpoint = "http://127.0.0.1:8081/v1"', '"sglang"\nendpoint = "http://a"', r"must end in /v1"),
        ('api_key = "cloud"', 'secret = "sk-1"', r"deployments\.large\.secret: Extra inputs"),
        (
            'fast = ["small"]',
            'fast = ["smal"]',
            r"tiers\.fast names the deployment 'smal', which does not exist: .*small",
        ),
        ('fast = ["small"]', "fast = []", r"tiers\.fast is empty: name its deployments"),
        ('fast = ["small"]', 'fast = ["small", "small"]', r"tiers\.fast names a deployment twice"),
        ('["large", "small"]', '["small"]', r"deployments\.large is in no tier.*add 'large' to one under \[tiers\]"),
        ('[tiers]\nfast = ["small"]\nstrong = ["large", "small"]', "", r"tiers: Field required"),
        ('fast = ["small"]\nstrong = ["large", "small"]', "", r"tiers: .*at least 1 item"),
        ("[tiers]", "[tier]", r"tier: Extra inputs are not permitted"),
        ("[tiers]", "[tiers", r"models\.toml' cannot be read: .*PERDURE_PATHS__CATALOGUE"),
    ],
)
def test_a_mistake_is_one_line_that_names_file_key_and_value(
    tmp_path: Path, was: str, becomes: str, match: str
) -> None:
    assert was in GOOD
    with pytest.raises(NotConfigured, match=match) as stopped:
        read(tmp_path, GOOD.replace(was, becomes, 1))
    assert all("models.toml" in line for line in str(stopped.value).split("\n"))


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(NotConfigured, match=r"none\.toml' cannot be read: .*No such file"):
        CatalogueFile(tmp_path / "none.toml", {})


def test_unknown_names_are_told_with_those_that_exist(tmp_path: Path) -> None:
    catalogue = read(tmp_path, GOOD)
    with pytest.raises(NotConfigured, match=r"tier 'huge': the tiers in models\.toml are fast, strong"):
        catalogue.deployment_for("huge")
    with pytest.raises(NotConfigured, match=r"no deployment 'huge': models\.toml has small, large"):
        catalogue.entry("huge")


@pytest.mark.parametrize("profile", ["local", "sglang", "cloud"])
def test_every_profile_of_the_checkout_serves_fast_and_strong(profile: str) -> None:
    catalogue = CatalogueFile(Paths(catalogue=Path(profile)).catalogue, {})
    assert {catalogue.deployment_for(tier).tier for tier in ("fast", "strong")} == {"fast", "strong"}
    assert all(entry.capabilities.tools != "none" for entry in catalogue.entries.values())


def test_a_bare_name_is_a_profile_and_a_path_is_a_file() -> None:
    assert Paths(catalogue=Path("cloud")).catalogue == PROFILES / "cloud.toml"
    assert Paths(catalogue=Path("own.toml")).catalogue == Path("own.toml")
    assert Paths(catalogue=Path("folder/own")).catalogue == Path("folder/own")


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("context_window", "true", "deployments.small.context_window: write a number without quotation marks"),
        ("context_window", '"100"', "deployments.small.context_window: write a number without quotation marks"),
        ("context_window", "100.0", "deployments.small.context_window: write a whole number"),
        ("context_window", "10_000_000_000", "deployments.small.context_window: Input should be less than or equal to"),
        ("concurrency", "nan", "deployments.small.concurrency: write a whole number"),
        ("concurrency", "-inf", "deployments.small.concurrency: write a whole number"),
        ("concurrency", "0", "deployments.small.concurrency: Input should be greater than or equal to 1 (got 0)"),
        ("prices", "{ input = true, output = 2 }", "deployments.small.prices: input: write a number without"),
        ("prices", '{ input = 1, output = "2" }', "deployments.small.prices: output: write a number without"),
        ("prices", "{ input = 0.5, output = 2 }", "deployments.small.prices: input: write a whole number"),
        ("prices", "{ input = 9_000_000_000_000, output = 2 }", "deployments.small.prices: input is above"),
        ("capabilities", "{ json_schema = 1 }", "deployments.small.capabilities.json_schema: write true or false"),
        ("capabilities", '{ logprobs = "yes" }', "deployments.small.capabilities.logprobs: write true or false"),
    ],
)
def test_a_number_of_a_catalogue_is_taken_only_as_it_is_written(
    tmp_path: Path, key: str, value: str, reason: str
) -> None:
    lines = [line for line in GOOD.partition("[deployments.large]")[0].split("\n") if not line.startswith(f"{key} =")]
    small = "\n".join([*lines, f"{key} = {value}", "", "[deployments.large]"])
    with pytest.raises(NotConfigured) as error:
        read(tmp_path, small + GOOD.partition("[deployments.large]")[2])
    assert str(error.value).startswith(f"the model catalogue models.toml: {reason}")
    assert "\n" not in str(error.value)


def test_each_mistake_of_a_catalogue_has_a_line_with_file_key_value_and_remedy(tmp_path: Path) -> None:
    wrong = GOOD.replace("context_window = 100", "context_window = 0").replace("concurrency = 2", 'concurrency = "2"')
    with pytest.raises(NotConfigured) as error:
        read(tmp_path, wrong)
    lines = str(error.value).split("\n")
    assert [line.startswith("the model catalogue models.toml: deployments.") for line in lines] == [True, True]
    assert "(got 0)" in lines[0]
    assert "write a number without quotation marks, and not true or false (got '2')" in lines[1]
