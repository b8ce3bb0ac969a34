"""Puts the pieces of a reply's tool calls together, where servers number and name them in their own ways."""

import json
import secrets
from dataclasses import dataclass, field

from activities.adapters.model_replies.characters import whole_characters
from activities.adapters.model_replies.parts import CallPiece
from activities.ports import ToolCall


@dataclass
class _Call:
    index: int | None
    id: str
    name: str
    spare: str = ""
    pieces: list[str] = field(default_factory=list[str])
    whole: bool = False

    @property
    def arguments(self) -> str:
        return "".join(self.pieces) or self.spare

    @property
    def has_whole_object(self) -> bool:
        """Whether the arguments are a whole JSON object, which nothing can continue."""
        # Long arguments come in thousands of pieces, so the last one is looked at before they are joined.
        if not (self.pieces and self.pieces[-1].rstrip().endswith("}")):
            return False
        try:
            return isinstance(json.loads(self.arguments), dict)
        except (ValueError, RecursionError):
            return False


class CallCollector:
    """The calls of one reply. A new id begins a new call, whatever index its server gives it."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []

    def __bool__(self) -> bool:
        return bool(self._calls)

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The calls so far, in their order, each with an id of its own: a result names the call that it answers."""
        taken: set[str] = set()
        calls: list[ToolCall] = []
        for call in self._calls:
            if not call.id or call.id in taken:
                call.id = f"call-{secrets.token_hex(8)}"
            taken.add(call.id)
            calls.append(ToolCall(*map(whole_characters, (call.id, call.name, call.arguments))))
        return tuple(calls)

    def add(self, piece: CallPiece) -> None:
        """Add a piece to the call that it belongs to, or begin a call with it."""
        call = None if piece.whole else self._continued(piece)
        if call is None:
            call = _Call(piece.index, piece.id, piece.name, whole=piece.whole)
            self._calls.append(call)
        else:
            call.id = call.id or piece.id
            # A name may come in pieces, and some servers repeat it in every piece.
            if piece.name != call.name or not (piece.id or piece.arguments or call.pieces):
                call.name += piece.name
        if piece.spare:
            call.spare = piece.arguments
        elif piece.arguments and not (piece.name and call.has_whole_object):  # else a whole call is sent again
            call.pieces.append(piece.arguments)

    def _continued(self, piece: CallPiece) -> _Call | None:
        """Return the call that a piece continues; None where it begins one."""
        call = self._candidate(piece)
        if call is None or call.whole or (piece.id and call.id and piece.id != call.id):
            return None
        if not piece.name or (call.name and piece.id and not call.id):
            return None if piece.name else call
        has_same_id = bool(piece.id) and piece.id == call.id
        if not call.pieces:
            return call
        if call.has_whole_object:
            repeats = piece.arguments.strip() in ("", call.arguments.strip())
            return call if has_same_id and piece.name == call.name and repeats else None
        return call if has_same_id or piece.name == call.name else None

    def _candidate(self, piece: CallPiece) -> _Call | None:
        """Return the last call with the piece's index or id; the last one of all for a piece without both."""
        newest_first = reversed(self._calls)
        if piece.index is not None:
            at_index = next((call for call in newest_first if call.index == piece.index), None)
            if at_index is not None or piece.name:
                return at_index
            return self._with_id(piece.id)
        if piece.id:
            return self._with_id(piece.id)
        return self._calls[-1] if self._calls else None

    def _with_id(self, call_id: str) -> _Call | None:
        """Return the call with an id, or the last one where it still has none."""
        named = next((call for call in reversed(self._calls) if call_id and call.id == call_id), None)
        if named is not None or not self._calls:
            return named
        last = self._calls[-1]
        return last if not call_id or (not last.id and not last.pieces) else None
