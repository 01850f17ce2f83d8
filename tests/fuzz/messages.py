"""Messages for calls, made of what their descriptors say."""

from __future__ import annotations

import string
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tests.fuzz import hostile

_DEEPEST: Final = 6
_INTEGERS: Final = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_ENUM: (-(2**31), 2**31 - 1),
}
_REALS: Final = (0.0, -0.0, 0.5, 1e308, -1.0, float("nan"), float("inf"), float("-inf"))
#: What fields mean by their names, beside what the cluster has.
_RIGHT: Final[Mapping[str, Sequence[str]]] = {
    "signal": ("TERM", "SIGKILL", "1"),
    "stop_signal": ("SIGTERM",),
    "args": ("true", "sleep", "1"),
    "env": ("A=b",),
    "path": ("/", "/bin", "/bin/sh", "/nowhere"),
    "target": ("/data", "/tmp"),
    "source": ("data", "/srv"),
    "working_dir": ("/",),
    "user": ("0", "1:1"),
    "subnet": ("10.88.0.0/16",),
    "passphrase": ("correct horse battery",),
    "host_ip": ("127.0.0.1", ""),
    "constraints": ("node.name==node1",),
    "allow": ("capabilities",),
    "deny": ("devices",),
    "namespace": ("", "default"),
    "page_token": ("",),
    "digest": ("sha256:" + "0" * 64,),
    "architecture": ("amd64",),
    "address": ("127.0.0.1:7410",),
    "addresses": ("127.0.0.1", "localhost"),
    "cpuset_cpus": ("0-3",),
    "cpuset_mems": ("0",),
}
#: Numbers that begin with 1 and mostly stay there.
_FIRST: Final = frozenset({"generation", "run", "attempt", "epoch"})
#: What a stream begins with, by the names of fields.
_OPENING: Final = frozenset({"start", "hello"})
#: Bytes of a request that is made longer.
_LONG: Final = 1 << 20
#: Kinds of objects, as the names of messages have them.
_KINDS: Final = ("volume", "image", "node", "container")
_NAMING: Final = frozenset({"ref", "id", "ids", "name", "image", "reference", "node", "nodes", "container", "refs"})


@dataclass(frozen=True, slots=True)
class Method:
    """One call that can be made.

    Attributes:
        path: as gRPC has it.
        request: what is sent.
        streams_in: whether more than one is sent.
        streams_out: whether more than one comes back.
    """

    path: str
    request: Descriptor
    streams_in: bool
    streams_out: bool


def methods(*files: FileDescriptor) -> list[Method]:
    """Return every call of the services of these files."""
    return [_method(each) for file in files for service in file.services_by_name.values() for each in service.methods]


def _method(found: MethodDescriptor) -> Method:
    path = f"/{found.containing_service.full_name}/{found.name}"
    return Method(path, found.input_type, found.client_streaming, found.server_streaming)


@dataclass(frozen=True, slots=True)
class Call:
    """One call and what is sent, as it goes over the wire."""

    method: Method
    requests: tuple[bytes, ...]

    def __str__(self) -> str:
        told = []
        for data in self.requests:
            try:
                said = str(GetMessageClass(self.method.request).FromString(data)).replace("\n", " ")
            except Exception:
                said = f"bytes {data.hex()}"
            told.append(said if len(said) < 1500 else f"{said[:1500]}... ({len(said)} characters)")
        return f"{self.method.path} {' | '.join(told)}"


class Calls:
    """Makes calls; the same of the same random numbers.

    Args:
        found: what can be called.
        known: what the cluster has, by kind ("container", "image", "node", "volume"), or by the name of a field.
        kind: what is named where nothing else says what it is.
        made: by the name of a field, what makes bytes that mean something.
        said: names of fields that are mostly there, beside those that name something.
    """

    def __init__(
        self,
        found: Sequence[Method],
        known: Mapping[str, Sequence[str]],
        *,
        kind: str = "",
        made: Mapping[str, Callable[[Random], bytes]] = MappingProxyType({}),
        said: Collection[str] = (),
    ) -> None:
        self._methods = list(found)
        # What has much to say can be wrong in many ways.
        self._weights = [1 + len(_within(method.request)) / 3 for method in found]
        self._known = known
        self._kind = kind
        self._made = made
        self._said = {*_NAMING, *known, *made, *said, "start", "config"}

    def call(self, random: Random) -> Call:
        """Return a call."""
        method = random.choices(self._methods, self._weights)[0]
        count = random.choices((0, 1, 2, 3, 8), (5, 20, 25, 25, 25))[0] if method.streams_in else 1
        return Call(method, tuple(self._requests(random, method, count)))

    def _requests(self, random: Random, method: Method, count: int) -> Iterator[bytes]:
        opening = next((each for each in method.request.fields if each.name in _OPENING), None)
        for number in range(count):
            # What begins a stream wrongly is all that is read of it.
            begins = method.streams_in and number == 0
            wrong = random.choices((0.0, 0.1, 0.6), (70, 20, 10) if begins else (45, 30, 25))[0]
            made = self._message(random, method.request, wrong=wrong, kind=self._kind)
            if opening is not None and method.streams_in and random.random() < 0.9:
                # Once, and before all else.
                if number == 0:
                    made.Clear()
                    self._set(random, made, opening, wrong=wrong, kind=self._kind, depth=0)
                while number and made.HasField(opening.name):
                    made = self._message(random, method.request, wrong=wrong, kind=self._kind)
            data = made.SerializeToString()
            match random.randrange(100):
                case 0 | 1 | 2 | 3 | 4:
                    yield _torn(random, data)
                case 5:
                    # On the wire, what is said again is merged with what was said: every list becomes a long one.
                    yield data * min(random.choice((2, 100, 10_000)), 1 + _LONG // (1 + len(data)))
                case _:
                    yield data

    # Messages

    def _message(self, random: Random, of: Descriptor, *, wrong: float, kind: str, depth: int = 0) -> Message:
        made: Message = GetMessageClass(of)()
        kind = next((each for each in _KINDS if each in of.name.lower()), kind)
        # One that is to be right says little: each further word is one more to contradict the others.
        often = random.choice((0.1, 0.3, 0.9)) if depth else random.choice((0.5, 0.9))
        # The last of several that exclude each other would be what is left.
        one_of = {random.choice(each.fields).name for each in of.oneofs if len(each.fields) > 1}
        for field in of.fields:
            excluding = field.containing_oneof is not None and len(field.containing_oneof.fields) > 1
            if excluding and field.name not in one_of:
                continue
            said = excluding or field.name in self._said
            if random.random() < (0.95 if said and wrong < 0.5 else often) and depth < _DEEPEST:
                self._set(random, made, field, wrong=wrong, kind=kind, depth=depth)
        return made

    def _set(
        self, random: Random, made: Message, field: FieldDescriptor, *, wrong: float, kind: str, depth: int
    ) -> None:
        def one(of: FieldDescriptor) -> object:
            if of.message_type is not None:
                return self._message(random, of.message_type, wrong=wrong, kind=kind, depth=depth + 1)
            return self._value(random, of, wrong=wrong, kind=kind)

        entry = field.message_type if field.message_type is not None else None
        if entry is not None and entry.GetOptions().map_entry:
            key, value = entry.fields_by_name["key"], entry.fields_by_name["value"]
            for _ in range(random.randint(0, 3)):
                target = getattr(made, field.name)
                if value.message_type is not None:
                    target[one(key)].CopyFrom(one(value))
                else:
                    target[one(key)] = one(value)
        elif field.is_repeated:
            count = random.choices((0, 1, 2, 3, 300), (20, 40, 20, 19, 1 if depth < 2 else 0))[0]
            getattr(made, field.name).extend([one(field) for _ in range(count)])
        elif field.message_type is not None:
            getattr(made, field.name).CopyFrom(one(field))
        else:
            setattr(made, field.name, one(field))

    def _value(self, random: Random, field: FieldDescriptor, *, wrong: float, kind: str) -> object:
        spoil = random.random() < wrong
        match field.cpp_type:
            case FieldDescriptor.CPPTYPE_BOOL:
                return random.random() < 0.3
            case FieldDescriptor.CPPTYPE_FLOAT | FieldDescriptor.CPPTYPE_DOUBLE:
                return random.choice(_REALS) if spoil else 0.5
            case FieldDescriptor.CPPTYPE_STRING if field.type == FieldDescriptor.TYPE_BYTES:
                if field.name in self._made and random.random() < 0.9:
                    return self._made[field.name](random)
                return random.randbytes(random.choice((0, 1, 100, 70_000)) if spoil else random.randint(0, 40))
            case FieldDescriptor.CPPTYPE_STRING:
                return self._text(random, field, spoil=spoil, kind=kind)
            case FieldDescriptor.CPPTYPE_ENUM if not spoil and field.enum_type is not None:
                return random.choice([value.number for value in field.enum_type.values])
        least, most = _INTEGERS[field.cpp_type]
        if field.name in _FIRST and not spoil:
            return random.choice((0, 1, 1, 1))
        return max(least, min(most, random.choice(hostile.NUMBERS))) if spoil else random.randint(0, 20)

    def _text(self, random: Random, field: FieldDescriptor, *, spoil: bool, kind: str) -> str:
        right = list(_RIGHT.get(field.name, ()))
        if field.name in _NAMING or field.name in self._known:
            own = field.name if field.name in self._known else kind
            right += self._known.get(own, ()) or [name for names in self._known.values() for name in names]
        if field.name in ("id", "request_id"):
            # Of whatever is made with it, nobody has it yet.
            right += ["".join(random.choices(string.hexdigits.lower()[:16], k=64))] * 3
        if field.name == "name":
            right += [f"n{random.randrange(1000)}"]
        found = hostile.one_of(random, right or ("a", "web", "1"), wrong=1.0 if spoil else 0.0)
        return found.encode(errors="replace").decode()


def _within(message: Descriptor, known: frozenset[str] = frozenset()) -> frozenset[str]:
    """Return the messages that a message can hold, itself among them."""
    known |= {message.full_name}
    for field in message.fields:
        if field.message_type is not None and field.message_type.full_name not in known:
            known |= _within(field.message_type, known)
    return known


def _torn(random: Random, data: bytes) -> bytes:
    """Return what is no message any more, mostly."""
    at = random.randint(0, len(data))
    match random.randrange(3):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + random.randbytes(random.randint(1, 8)) + data[at:]
        case _:
            return random.randbytes(random.randint(1, 200))
