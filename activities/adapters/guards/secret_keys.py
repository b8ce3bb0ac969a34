"""Finds the keys of model providers and other services in a text by their forms. Every pattern is bounded and linear.

A provider whose keys have no form of their own is known by its name beside something that looks like a key.
"""

import re

from activities.text.disguises import undisguised

_TOKEN = "[A-Za-z0-9]"  # noqa: S105 - a part of patterns
_WIDE = "[A-Za-z0-9_-]"

FORMS: dict[str, str] = {
    # Providers of models, by LiteLLM's names.
    "anthropic": rf"sk-ant-{_WIDE}{{16,200}}",
    "openai": rf"sk-(?:proj|svcacct|admin|None|service)-{_WIDE}{{16,250}}|sk-{_TOKEN}{{20}}T3BlbkFJ{_TOKEN}{{20}}"
    rf"|sk-{_TOKEN}{{32,64}}|sess-{_TOKEN}{{40}}",
    "openrouter": rf"sk-or-(?:v\d-)?{_WIDE}{{16,100}}",
    "deepseek": "sk-[a-f0-9]{32}",
    "moonshot": rf"sk-kimi-{_WIDE}{{16,100}}",
    "huggingface": rf"hf_{_TOKEN}{{20,60}}|api_org_{_TOKEN}{{20,60}}",
    "gemini": rf"AIza{_WIDE}{{30,50}}|AQ\.Ab{_WIDE}{{20,100}}",
    "vertex_ai": rf"ya29\.{_WIDE}{{20,250}}|GOCSPX-{_WIDE}{{20,40}}",
    "groq": rf"gsk_{_TOKEN}{{20,80}}",
    "xai": rf"xai-{_TOKEN}{{20,120}}",
    "together_ai": rf"tgp_v\d_{_WIDE}{{20,100}}",
    "fireworks_ai": rf"fw_{_TOKEN}{{16,60}}|fpk_{_TOKEN}{{16,60}}",
    "replicate": rf"r8_{_TOKEN}{{20,60}}",
    "perplexity": rf"pplx-{_TOKEN}{{20,80}}",
    "nvidia_nim": rf"nvapi-{_WIDE}{{20,120}}",
    "cerebras": rf"csk-{_TOKEN}{{20,80}}",
    "databricks": r"dapi[a-f0-9]{32}(?:-\d)?",
    "azure": rf"{_TOKEN}{{52}}(?:JQQJ99|AC[A-Z0-9]{{4}}){_TOKEN}{{20,30}}|AccountKey=[A-Za-z0-9+/]{{60,100}}={{0,2}}",
    "bedrock": r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}"
    r"|ABSK[A-Za-z0-9+/]{40,300}={0,2}|bedrock-api-key-[A-Za-z0-9+/]{20,300}",
    "voyage": rf"pa-{_WIDE}{{40,60}}|al-{_WIDE}{{40,60}}",
    "jina_ai": rf"jina_{_WIDE}{{30,80}}",
    "elevenlabs": "sk_[a-f0-9]{40,64}",
    "friendliai": rf"flp_{_TOKEN}{{20,80}}",
    "predibase": rf"pb_{_WIDE}{{20,60}}(?<=\d)",
    "chutes": rf"cpk_[a-f0-9]{{32}}(?:\.{_TOKEN}{{20,60}}){{0,2}}",
    "langfuse": r"sk-lf-[a-f0-9-]{20,40}",
    "wandb": rf"wandb_v\d_{_WIDE}{{20,120}}",
    "runwayml": "key_[a-f0-9]{64,128}",
    "heroku": rf"HRKU-{_WIDE}{{30,80}}",
    "vercel_ai_gateway": rf"vck_{_TOKEN}{{20,80}}",
    "github": rf"gh[pousr]_{_TOKEN}{{20,80}}|github_pat_\w{{20,100}}",
    # Stores, tools and services beside them.
    "pinecone": r"pcsk_\w{20,100}",
    "langsmith": r"lsv2_(?:pt|sk)_[a-f0-9_]{20,80}",
    "tavily": rf"tvly-(?:dev-|prod-)?{_TOKEN}{{20,60}}",
    "firecrawl": "fc-[a-f0-9]{32}",
    "gitlab": rf"gl(?:pat|dt|ft|soat|rt|cbt|ptt|agent|imt|oas)-{_WIDE}{{16,100}}",
    "slack": rf"xox[abceoprs]-[A-Za-z0-9-]{{10,200}}|xapp-\d-{_WIDE}{{20,200}}"
    r"|hooks\.slack\.com/services/T\w{6,12}/B\w{6,12}/\w{16,32}",
    "stripe": rf"[sr]k_(?:live|test)_{_TOKEN}{{16,120}}|whsec_{_TOKEN}{{24,64}}",
    "twilio": "(?:AC|SK)[a-f0-9]{32}",
    "sendgrid": rf"SG\.{_WIDE}{{16,32}}\.{_WIDE}{{32,64}}",
    "mailgun": "key-[a-f0-9]{32}",
    "mailchimp": r"[a-f0-9]{32}-us\d{1,2}",
    "npm": rf"npm_{_TOKEN}{{30,60}}",
    "pypi": rf"pypi-Ag{_WIDE}{{16,250}}|pypi-{_WIDE}{{60,250}}",
    "rubygems": "rubygems_[a-f0-9]{40,64}",
    "docker": rf"dckr_(?:pat|oat)_{_WIDE}{{20,60}}",
    "digitalocean": "do[opr]_v1_[a-f0-9]{40,80}",
    "supabase": rf"sbp_[a-f0-9]{{32,64}}|sb_secret_{_WIDE}{{20,60}}",
    "vault": rf"hv[sbr]\.{_WIDE}{{20,250}}",
    "terraform": rf"{_TOKEN}{{14}}\.atlasv1\.{_WIDE}{{40,100}}",
    "grafana": rf"gls?[ac]_{_TOKEN}{{20,120}}",
    "sentry": r"sntry[us]_[A-Za-z0-9+/=_]{20,250}",
    "atlassian": rf"ATATT3{_WIDE}{{20,250}}",
    "shopify": "shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}",
    "square": rf"sq0(?:atp|csp)-{_WIDE}{{20,60}}|EAAA{_WIDE}{{55,70}}",
    "notion": rf"ntn_{_TOKEN}{{30,60}}",
    "linear": rf"lin_(?:api|oauth)_{_TOKEN}{{30,80}}",
    "figma": rf"figd_{_WIDE}{{30,60}}",
    "postman": r"PMAK-[a-f0-9]{20,30}-[a-f0-9]{30,40}",
    "newrelic": rf"NRAK-{_TOKEN}{{20,40}}",
    "telegram": rf"\d{{8,10}}:AA{_WIDE}{{32,34}}",
    "age": r"AGE-SECRET-KEY-1[A-Z0-9]{50,60}",
}
"""The forms of keys, by provider or service."""

NAMED = (
    "mistral", "codestral", "cohere", "ai21", "together", "azure", "aws", "deepgram", "assemblyai", "wandb",
    "weaviate", "qdrant", "pinecone", "milvus", "cloudflare", "vercel", "watsonx", "snowflake", "sambanova",
    "baseten", "nebius", "novita", "hyperbolic", "featherless", "lambda", "nscale", "scaleway", "ovhcloud",
    "dashscope", "qwen", "volcengine", "zhipu", "zai", "minimax", "moonshot", "kimi", "gigachat", "clarifai",
    "aleph alpha", "voyage", "recraft", "fal", "stability", "deepinfra", "anyscale", "writer", "reka", "inception",
    "morph", "poe", "openai", "anthropic", "gemini", "google", "groq", "grok", "xai", "fireworks", "replicate",
    "perplexity", "nvidia", "cerebras", "databricks", "hugging ?face", "openrouter", "deepseek", "github", "gitlab",
    "slack", "stripe", "twilio", "temporal", "redis", "serper", "exa", "brave", "sglang", "vllm", "litellm",
    "hosted_vllm",
)  # fmt: skip
"""The names beside which something that looks like a key counts."""

_KEYED = re.compile(
    rf"(?<![A-Za-z0-9_-])(?:{'|'.join(f'(?P<k{n}>{form})' for n, form in enumerate(FORMS.values()))})(?![A-Za-z0-9])"
)
_LOOKS = r"(?<![A-Za-z0-9/_.-])(?P<token>[A-Za-z0-9](?:[A-Za-z0-9_+=-]|/(?!/)|\.){18,200})(?![A-Za-z0-9_])"
_BESIDE_NAME = re.compile(
    rf"(?<![A-Za-z])(?:{'|'.join(NAMED)})(?![a-z])[^\n]{{0,12}}?(?i:key|token|secret|credential|schl\u00fcssel|cl\u00e9)"
    rf"[^\nA-Za-z0-9]{{0,4}}(?:(?i:is|was|ist|est|es|for|of|\w{{1,12}})[^\nA-Za-z0-9]{{1,3}}){{0,3}}{_LOOKS}",
    re.IGNORECASE,
)
_BESIDE_WORD = re.compile(
    r"(?<![A-Za-z])(?:(?:api|access|secret|auth|private|service|admin|bearer|refresh|session|personal)[ _-]?"
    r"(?:access[ _-]?)?(?:keys?|tokens?|secrets?)|(?<!\w)\w{1,30}_(?:api_key|key|token|secret)|authorization"
    rf"|bearer|x-api-key)(?![a-z])[^\nA-Za-z0-9]{{0,4}}(?:(?:is|was|ist|bearer|basic|to|=)[^\nA-Za-z0-9]{{1,3}}){{0,2}}{_LOOKS}",
    re.IGNORECASE,
)
_BARE = re.compile(r"(?<![A-Za-z0-9_-])sk-(?P<token>[A-Za-z0-9_-]{20,250})(?![A-Za-z0-9_-])")

_LEAST_DISTINCT = 9
"""The fewest different characters of something that looks like a key."""
_LONGEST_PLAIN_RUN = 12
"""A key has a run without marks of at least this length; `name-of-a-branch-2026` has not."""


def keys_in(text: str) -> list[str]:
    """Return the providers and services whose keys the text holds, each once, in the order of the text.

    `key` stands for something that looks like a key beside a word that says so.
    """
    plain = undisguised(text).text
    names = tuple(FORMS)
    found = [names[int(match.lastgroup[1:])] for match in _KEYED.finditer(plain) if match.lastgroup]
    for pattern in (_BESIDE_NAME, _BESIDE_WORD, _BARE):
        if any(_looks_random(match["token"]) for match in pattern.finditer(plain)):
            found.append("key")
            break
    return list(dict.fromkeys(found))


def _looks_random(token: str) -> bool:
    """Return whether a token mixes letters and digits as keys do, and words and numbers of versions do not."""
    runs = re.split(r"[-_.=+/]", token)
    longest = max(runs, key=len)
    is_mixed = any(sign.isdigit() for sign in longest) and any(sign.isalpha() for sign in longest)
    return is_mixed and len(longest) >= _LONGEST_PLAIN_RUN and len(set(token)) >= _LEAST_DISTINCT
