import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from shoal_proto.v1 import resources_pb2 as _resources_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class NodeState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NODE_STATE_UNSPECIFIED: _ClassVar[NodeState]
    NODE_STATE_READY: _ClassVar[NodeState]
    NODE_STATE_DOWN: _ClassVar[NodeState]

class HoldRole(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    HOLD_ROLE_UNSPECIFIED: _ClassVar[HoldRole]
    HOLD_ROLE_CURRENT: _ClassVar[HoldRole]
    HOLD_ROLE_RETIRED: _ClassVar[HoldRole]
    HOLD_ROLE_REMOVE: _ClassVar[HoldRole]
NODE_STATE_UNSPECIFIED: NodeState
NODE_STATE_READY: NodeState
NODE_STATE_DOWN: NodeState
HOLD_ROLE_UNSPECIFIED: HoldRole
HOLD_ROLE_CURRENT: HoldRole
HOLD_ROLE_RETIRED: HoldRole
HOLD_ROLE_REMOVE: HoldRole

class NodeSpec(_message.Message):
    __slots__ = ("schema", "id", "name", "labels", "joined_at")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    JOINED_AT_FIELD_NUMBER: _ClassVar[int]
    schema: int
    id: str
    name: str
    labels: _containers.ScalarMap[str, str]
    joined_at: _timestamp_pb2.Timestamp
    def __init__(self, schema: _Optional[int] = ..., id: _Optional[str] = ..., name: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., joined_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class NodeDescription(_message.Message):
    __slots__ = ("name", "address", "capacity", "labels", "version", "kernel", "operating_system", "architecture", "runtimes", "cgroups", "boot_id")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class RuntimesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    KERNEL_FIELD_NUMBER: _ClassVar[int]
    OPERATING_SYSTEM_FIELD_NUMBER: _ClassVar[int]
    ARCHITECTURE_FIELD_NUMBER: _ClassVar[int]
    RUNTIMES_FIELD_NUMBER: _ClassVar[int]
    CGROUPS_FIELD_NUMBER: _ClassVar[int]
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    address: str
    capacity: _resources_pb2.Resources
    labels: _containers.ScalarMap[str, str]
    version: str
    kernel: str
    operating_system: str
    architecture: str
    runtimes: _containers.ScalarMap[str, str]
    cgroups: str
    boot_id: str
    def __init__(self, name: _Optional[str] = ..., address: _Optional[str] = ..., capacity: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ..., version: _Optional[str] = ..., kernel: _Optional[str] = ..., operating_system: _Optional[str] = ..., architecture: _Optional[str] = ..., runtimes: _Optional[_Mapping[str, str]] = ..., cgroups: _Optional[str] = ..., boot_id: _Optional[str] = ...) -> None: ...

class NodeSession(_message.Message):
    __slots__ = ("schema", "epoch", "process_id", "boot_id", "opened_at")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    PROCESS_ID_FIELD_NUMBER: _ClassVar[int]
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    OPENED_AT_FIELD_NUMBER: _ClassVar[int]
    schema: int
    epoch: int
    process_id: str
    boot_id: str
    opened_at: _timestamp_pb2.Timestamp
    def __init__(self, schema: _Optional[int] = ..., epoch: _Optional[int] = ..., process_id: _Optional[str] = ..., boot_id: _Optional[str] = ..., opened_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class NodeStatus(_message.Message):
    __slots__ = ("schema", "state", "since", "description", "reason", "strays")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    STRAYS_FIELD_NUMBER: _ClassVar[int]
    schema: int
    state: NodeState
    since: _timestamp_pb2.Timestamp
    description: NodeDescription
    reason: str
    strays: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, schema: _Optional[int] = ..., state: _Optional[_Union[NodeState, str]] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., description: _Optional[_Union[NodeDescription, _Mapping]] = ..., reason: _Optional[str] = ..., strays: _Optional[_Iterable[str]] = ...) -> None: ...

class NodeLedger(_message.Message):
    __slots__ = ("schema", "capacity", "reserved")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_FIELD_NUMBER: _ClassVar[int]
    RESERVED_FIELD_NUMBER: _ClassVar[int]
    schema: int
    capacity: _resources_pb2.Resources
    reserved: _resources_pb2.Resources
    def __init__(self, schema: _Optional[int] = ..., capacity: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ..., reserved: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ...) -> None: ...

class Hold(_message.Message):
    __slots__ = ("schema", "namespace", "container", "generation", "role", "addresses", "reserved")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    RESERVED_FIELD_NUMBER: _ClassVar[int]
    schema: int
    namespace: str
    container: str
    generation: int
    role: HoldRole
    addresses: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Address]
    reserved: _resources_pb2.Resources
    def __init__(self, schema: _Optional[int] = ..., namespace: _Optional[str] = ..., container: _Optional[str] = ..., generation: _Optional[int] = ..., role: _Optional[_Union[HoldRole, str]] = ..., addresses: _Optional[_Iterable[_Union[_resources_pb2.Address, _Mapping]]] = ..., reserved: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ...) -> None: ...

class Node(_message.Message):
    __slots__ = ("spec", "status", "ledger", "containers", "running", "revision", "session")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    CONTAINERS_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    spec: NodeSpec
    status: NodeStatus
    ledger: NodeLedger
    containers: int
    running: int
    revision: int
    session: NodeSession
    def __init__(self, spec: _Optional[_Union[NodeSpec, _Mapping]] = ..., status: _Optional[_Union[NodeStatus, _Mapping]] = ..., ledger: _Optional[_Union[NodeLedger, _Mapping]] = ..., containers: _Optional[int] = ..., running: _Optional[int] = ..., revision: _Optional[int] = ..., session: _Optional[_Union[NodeSession, _Mapping]] = ...) -> None: ...

class GetNodeRequest(_message.Message):
    __slots__ = ("ref",)
    REF_FIELD_NUMBER: _ClassVar[int]
    ref: str
    def __init__(self, ref: _Optional[str] = ...) -> None: ...

class ListNodesRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListNodesResponse(_message.Message):
    __slots__ = ("nodes", "next_page_token", "revision")
    NODES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    nodes: _containers.RepeatedCompositeFieldContainer[Node]
    next_page_token: str
    revision: int
    def __init__(self, nodes: _Optional[_Iterable[_Union[Node, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., revision: _Optional[int] = ...) -> None: ...
