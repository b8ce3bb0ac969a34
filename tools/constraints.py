"""Checks constraints on arguments: which arguments need one, whether a grant's fits, and whether a value obeys it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, TypeAlias, assert_never, cast, get_args, get_origin

from pydantic import AnyHttpUrl, BaseModel, TypeAdapter, ValidationError

from perdure.contracts.contract import SHOWN, BadInput
from perdure.contracts.tool_calls.tools import AllowedAmount, AllowedHosts, AllowedPaths, Constraint

Kind: TypeAlias = type[AllowedHosts] | type[AllowedPaths] | type[AllowedAmount]

EXAMPLES: dict[Kind, str] = {
    AllowedHosts: '{ kind = "hosts", hosts = ["docs.example.com"] }',
    AllowedPaths: '{ kind = "paths", under = ["handbook/"] }',
    AllowedAmount: '{ kind = "amount", most = "100" }',
}
"""An example of each kind of constraint, as an agent's TOML file writes it."""

_HOST = re.compile(r"(\*(\.[a-z0-9_-]+){2,}|[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?")
USUAL_PORTS = (80, 443)
"""The ports of the web. Any other port of a host may be another service, and must be named in the grant."""
_URL = TypeAdapter(AnyHttpUrl)


@dataclass(frozen=True)
class Constrained:
    """The mark of an argument: `url: Annotated[str, Constrained(AllowedHosts)]`. A list is checked item by item."""

    kind: Kind
    required: bool = True
    """Whether a grant must constrain it. If not, any value is allowed where the grant has no constraint for it."""


def constrained(arguments: type[BaseModel]) -> dict[str, Constrained]:
    """Return the marks of the arguments that take a constraint. Raises `TypeError` for a mark inside a nested type."""
    marked: dict[str, Constrained] = {}
    for name, field in arguments.model_fields.items():
        marks = [mark for mark in field.metadata if isinstance(mark, Constrained)]
        if len(marks) > 1 or any(_marks_within(field.annotation)):
            raise TypeError(f"argument {name!r}: mark it once and as a whole, Annotated[..., Constrained(...)]")
        if marks:
            marked[name] = marks[0]
    return marked


def _marks_within(annotation: Any) -> Iterator[Constrained]:
    """Yield the marks inside a type: no check would see them there."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from constrained(annotation).values()
    if get_origin(annotation) is Annotated:
        yield from (mark for mark in get_args(annotation)[1:] if isinstance(mark, Constrained))
    for inner in get_args(annotation):
        yield from _marks_within(inner)


def require_fitting(tool: str, takes: Mapping[str, Constrained], granted: Mapping[str, Constraint]) -> None:
    """Raise `BadInput` for a constraint that no argument takes, a constraint of the wrong kind, or a missing one."""
    for name, constraint in granted.items():
        mark = takes.get(name)
        if mark is None:
            known = f"the arguments that take one are {', '.join(takes)}" if takes else "none of its arguments does"
            raise BadInput(f"tool {tool!r}: its argument {name!r} takes no constraint: remove it; {known}")
        if not isinstance(constraint, mark.kind):
            raise BadInput(
                f"tool {tool!r}: the constraint of {name!r} is of the kind {constraint.kind!r}: "
                f"write {EXAMPLES[mark.kind]}"
            )
        _require_usable(f"tool {tool!r}: the constraint of {name!r}", constraint)
    for name, mark in takes.items():
        if mark.required and name not in granted:
            raise BadInput(
                f"tool {tool!r}: nothing is allowed for its argument {name!r}: grant it with a constraint, "
                f"{EXAMPLES[mark.kind]}"
            )


def _require_usable(where: str, constraint: Constraint) -> None:
    """Raise `BadInput` for a constraint that is malformed or allows nothing."""
    match constraint:
        case AllowedHosts(hosts=hosts):
            for host in hosts:
                if not _HOST.fullmatch(host):
                    raise BadInput(
                        f"{where}: {host!r} is no host: write docs.example.com, or *.example.com for all below"
                    )
        case AllowedPaths(under=under):
            for path in under:
                if not path or normal_path(where, path) != path.removesuffix("/"):
                    raise BadInput(f"{where}: {path!r} is no plain path: write handbook/ or handbook/travel.md")
        case AllowedAmount(least=least, most=most):
            if least > most:
                raise BadInput(f"{where}: nothing lies between {least} and {most}: write the smaller one as least")
        case never:
            assert_never(never)


def allowed_value(where: str, constraint: Constraint | None, kind: Kind, value: Any) -> Any:
    """Return the value in its plain form, after checking it against the constraint; None passes any.

    `kind` is checked even without a constraint: a path has no `..`, a URL can be parsed. Raises `BadInput` with what is
    allowed.
    """
    if value is None:
        return None
    if isinstance(value, list | tuple):
        items = [allowed_value(where, constraint, kind, item) for item in cast("Sequence[Any]", value)]
        return items if isinstance(value, list) else tuple(items)
    if kind is AllowedHosts:
        return _allowed_url(where, constraint, value)
    if kind is AllowedPaths:
        return _allowed_path(where, constraint, value)
    return _allowed_amount(where, constraint, value)


def _allowed_url(where: str, constraint: Constraint | None, value: Any) -> str:
    url = read_url(where, str(value))
    if isinstance(constraint, AllowedHosts) and not allows(constraint, url):
        raise BadInput(f"{where}: the host {_authority(url)!r} is not allowed: use {', '.join(constraint.hosts)}")
    return str(url)


def _allowed_path(where: str, constraint: Constraint | None, value: Any) -> str:
    path = normal_path(where, str(value))
    if isinstance(constraint, AllowedPaths) and not any(
        path == prefix or (prefix.endswith("/") and path.startswith(prefix)) for prefix in constraint.under
    ):
        raise BadInput(f"{where}: {_shown(path)} is not allowed: use what is under {', '.join(constraint.under)}")
    return path


def _allowed_amount(where: str, constraint: Constraint | None, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise BadInput(f"{where}: {_shown(value)} is no amount: write a number")
    amount = Decimal(str(value))
    if not amount.is_finite():
        raise BadInput(f"{where}: {value} is no amount: write a number")
    if isinstance(constraint, AllowedAmount) and not constraint.least <= amount <= constraint.most:
        raise BadInput(f"{where}: {amount} is not allowed: use {constraint.least} to {constraint.most}")
    return value


def read_url(where: str, url: str) -> AnyHttpUrl:
    """Parse an http or https URL as browsers do, so that `0x7f.1` is 127.0.0.1. Raises `BadInput`."""
    try:
        parsed = _URL.validate_python(url)
    except ValidationError:
        raise BadInput(f"{where}: {_shown(url)} is no http or https URL: write https://docs.example.com/page") from None
    if parsed.username is not None or parsed.password is not None:
        raise BadInput(f"{where}: a URL with a name or password in it is never used: take it out")
    return parsed


def allows(constraint: AllowedHosts, url: AnyHttpUrl) -> bool:
    """Return whether a URL's host is allowed, and its port is a usual one or the one that the constraint names."""
    host = (url.host or "").lower().rstrip(".")
    return any(_is_within(host, url.port, allowed) for allowed in constraint.hosts)


def _is_within(host: str, port: int | None, allowed: str) -> bool:
    name, _, digits = allowed.rpartition(":")
    with_port = digits.isdecimal() and name != "" and not name.endswith(":")
    name = name if with_port else allowed
    if port not in ((int(digits),) if with_port else USUAL_PORTS):
        return False
    return host.endswith(name[1:]) if name.startswith("*.") else host == name


def _authority(url: AnyHttpUrl) -> str:
    return f"{url.host}" if url.port in USUAL_PORTS else f"{url.host}:{url.port}"


def normal_path(where: str, path: str) -> str:
    """Return a relative path without `.` and double slashes. Raises `BadInput` for one that could leave its folder."""
    steps = [step for step in path.split("/") if step not in ("", ".")]
    if path.startswith("/") or re.match(r"[A-Za-z]:", path):
        raise BadInput(f"{where}: {_shown(path)} is absolute: write it from the top, without the slash in front")
    if ".." in steps or "\\" in path or "%" in path or not path.isprintable() or not steps:
        raise BadInput(f"{where}: {_shown(path)} is no plain path: write names and slashes, without '..'")
    return "/".join(steps)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
