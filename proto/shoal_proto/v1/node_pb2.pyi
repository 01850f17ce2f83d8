import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from shoal_proto.v1 import container_pb2 as _container_pb2
from shoal_proto.v1 import resources_pb2 as _resources_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class NodeRemoval(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NODE_REMOVAL_UNSPECIFIED: _ClassVar[NodeRemoval]
    NODE_REMOVAL_EMPTY: _ClassVar[NodeRemoval]
    NODE_REMOVAL_FORCED: _ClassVar[NodeRemoval]

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

class DrainOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DRAIN_OUTCOME_UNSPECIFIED: _ClassVar[DrainOutcome]
    DRAIN_OUTCOME_STOPPING: _ClassVar[DrainOutcome]
    DRAIN_OUTCOME_STOPPED: _ClassVar[DrainOutcome]
    DRAIN_OUTCOME_LEFT: _ClassVar[DrainOutcome]

class StrayAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STRAY_ACTION_UNSPECIFIED: _ClassVar[StrayAction]
    STRAY_ACTION_ADOPT: _ClassVar[StrayAction]
    STRAY_ACTION_REMOVE: _ClassVar[StrayAction]
NODE_REMOVAL_UNSPECIFIED: NodeRemoval
NODE_REMOVAL_EMPTY: NodeRemoval
NODE_REMOVAL_FORCED: NodeRemoval
NODE_STATE_UNSPECIFIED: NodeState
NODE_STATE_READY: NodeState
NODE_STATE_DOWN: NodeState
HOLD_ROLE_UNSPECIFIED: HoldRole
HOLD_ROLE_CURRENT: HoldRole
HOLD_ROLE_RETIRED: HoldRole
HOLD_ROLE_REMOVE: HoldRole
DRAIN_OUTCOME_UNSPECIFIED: DrainOutcome
DRAIN_OUTCOME_STOPPING: DrainOutcome
DRAIN_OUTCOME_STOPPED: DrainOutcome
DRAIN_OUTCOME_LEFT: DrainOutcome
STRAY_ACTION_UNSPECIFIED: StrayAction
STRAY_ACTION_ADOPT: StrayAction
STRAY_ACTION_REMOVE: StrayAction

class NodeSpec(_message.Message):
    __slots__ = ("schema", "id", "name", "labels", "joined_at", "cordoned", "last_request_id", "removal", "cordoned_at")
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
    CORDONED_FIELD_NUMBER: _ClassVar[int]
    LAST_REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    REMOVAL_FIELD_NUMBER: _ClassVar[int]
    CORDONED_AT_FIELD_NUMBER: _ClassVar[int]
    schema: int
    id: str
    name: str
    labels: _containers.ScalarMap[str, str]
    joined_at: _timestamp_pb2.Timestamp
    cordoned: bool
    last_request_id: str
    removal: NodeRemoval
    cordoned_at: _timestamp_pb2.Timestamp
    def __init__(self, schema: _Optional[int] = ..., id: _Optional[str] = ..., name: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., joined_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., cordoned: _Optional[bool] = ..., last_request_id: _Optional[str] = ..., removal: _Optional[_Union[NodeRemoval, str]] = ..., cordoned_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class NodeDescription(_message.Message):
    __slots__ = ("name", "address", "capacity", "labels", "version", "kernel", "operating_system", "architecture", "runtimes", "cgroups", "boot_id", "problems", "bind_paths", "addresses", "configuration", "limits", "cpuset_cpus", "cpuset_mems", "cleanings")
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
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    BIND_PATHS_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    CPUSET_CPUS_FIELD_NUMBER: _ClassVar[int]
    CPUSET_MEMS_FIELD_NUMBER: _ClassVar[int]
    CLEANINGS_FIELD_NUMBER: _ClassVar[int]
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
    problems: _containers.RepeatedCompositeFieldContainer[NodeProblem]
    bind_paths: _containers.RepeatedScalarFieldContainer[str]
    addresses: _containers.RepeatedScalarFieldContainer[str]
    configuration: int
    limits: _containers.RepeatedScalarFieldContainer[str]
    cpuset_cpus: str
    cpuset_mems: str
    cleanings: _containers.RepeatedCompositeFieldContainer[NodeCleaning]
    def __init__(self, name: _Optional[str] = ..., address: _Optional[str] = ..., capacity: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ..., version: _Optional[str] = ..., kernel: _Optional[str] = ..., operating_system: _Optional[str] = ..., architecture: _Optional[str] = ..., runtimes: _Optional[_Mapping[str, str]] = ..., cgroups: _Optional[str] = ..., boot_id: _Optional[str] = ..., problems: _Optional[_Iterable[_Union[NodeProblem, _Mapping]]] = ..., bind_paths: _Optional[_Iterable[str]] = ..., addresses: _Optional[_Iterable[str]] = ..., configuration: _Optional[int] = ..., limits: _Optional[_Iterable[str]] = ..., cpuset_cpus: _Optional[str] = ..., cpuset_mems: _Optional[str] = ..., cleanings: _Optional[_Iterable[_Union[NodeCleaning, _Mapping]]] = ...) -> None: ...

class NodeCleaning(_message.Message):
    __slots__ = ("at", "kind", "reason", "count", "names", "freed_bytes")
    AT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    FREED_BYTES_FIELD_NUMBER: _ClassVar[int]
    at: _timestamp_pb2.Timestamp
    kind: str
    reason: str
    count: int
    names: _containers.RepeatedScalarFieldContainer[str]
    freed_bytes: int
    def __init__(self, at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., kind: _Optional[str] = ..., reason: _Optional[str] = ..., count: _Optional[int] = ..., names: _Optional[_Iterable[str]] = ..., freed_bytes: _Optional[int] = ...) -> None: ...

class NodeProblem(_message.Message):
    __slots__ = ("kind", "message")
    KIND_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    kind: str
    message: str
    def __init__(self, kind: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

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
    __slots__ = ("schema", "namespace", "container", "generation", "role", "addresses", "reserved", "ports")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    RESERVED_FIELD_NUMBER: _ClassVar[int]
    PORTS_FIELD_NUMBER: _ClassVar[int]
    schema: int
    namespace: str
    container: str
    generation: int
    role: HoldRole
    addresses: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Address]
    reserved: _resources_pb2.Resources
    ports: _containers.RepeatedCompositeFieldContainer[_container_pb2.PortBinding]
    def __init__(self, schema: _Optional[int] = ..., namespace: _Optional[str] = ..., container: _Optional[str] = ..., generation: _Optional[int] = ..., role: _Optional[_Union[HoldRole, str]] = ..., addresses: _Optional[_Iterable[_Union[_resources_pb2.Address, _Mapping]]] = ..., reserved: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ..., ports: _Optional[_Iterable[_Union[_container_pb2.PortBinding, _Mapping]]] = ...) -> None: ...

class Node(_message.Message):
    __slots__ = ("spec", "status", "ledger", "containers", "running", "revision", "session", "stopping")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    CONTAINERS_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    STOPPING_FIELD_NUMBER: _ClassVar[int]
    spec: NodeSpec
    status: NodeStatus
    ledger: NodeLedger
    containers: int
    running: int
    revision: int
    session: NodeSession
    stopping: int
    def __init__(self, spec: _Optional[_Union[NodeSpec, _Mapping]] = ..., status: _Optional[_Union[NodeStatus, _Mapping]] = ..., ledger: _Optional[_Union[NodeLedger, _Mapping]] = ..., containers: _Optional[int] = ..., running: _Optional[int] = ..., revision: _Optional[int] = ..., session: _Optional[_Union[NodeSession, _Mapping]] = ..., stopping: _Optional[int] = ...) -> None: ...

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

class UpdateNodeRequest(_message.Message):
    __slots__ = ("ref", "request_id", "set_labels", "remove_labels", "cordoned")
    class SetLabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    REF_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SET_LABELS_FIELD_NUMBER: _ClassVar[int]
    REMOVE_LABELS_FIELD_NUMBER: _ClassVar[int]
    CORDONED_FIELD_NUMBER: _ClassVar[int]
    ref: str
    request_id: str
    set_labels: _containers.ScalarMap[str, str]
    remove_labels: _containers.RepeatedScalarFieldContainer[str]
    cordoned: bool
    def __init__(self, ref: _Optional[str] = ..., request_id: _Optional[str] = ..., set_labels: _Optional[_Mapping[str, str]] = ..., remove_labels: _Optional[_Iterable[str]] = ..., cordoned: _Optional[bool] = ...) -> None: ...

class DrainNodeRequest(_message.Message):
    __slots__ = ("ref", "request_id", "force", "timeout_seconds")
    REF_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    ref: str
    request_id: str
    force: bool
    timeout_seconds: int
    def __init__(self, ref: _Optional[str] = ..., request_id: _Optional[str] = ..., force: _Optional[bool] = ..., timeout_seconds: _Optional[int] = ...) -> None: ...

class DrainNodeResponse(_message.Message):
    __slots__ = ("container_id", "container_name", "outcome", "reason")
    CONTAINER_ID_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_NAME_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    container_id: str
    container_name: str
    outcome: DrainOutcome
    reason: str
    def __init__(self, container_id: _Optional[str] = ..., container_name: _Optional[str] = ..., outcome: _Optional[_Union[DrainOutcome, str]] = ..., reason: _Optional[str] = ...) -> None: ...

class RemoveNodeRequest(_message.Message):
    __slots__ = ("ref", "request_id", "force")
    REF_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    ref: str
    request_id: str
    force: bool
    def __init__(self, ref: _Optional[str] = ..., request_id: _Optional[str] = ..., force: _Optional[bool] = ...) -> None: ...

class RemoveNodeResponse(_message.Message):
    __slots__ = ("id", "lost")
    ID_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    id: str
    lost: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[str] = ..., lost: _Optional[_Iterable[str]] = ...) -> None: ...

class Stray(_message.Message):
    __slots__ = ("id", "namespace", "name", "generation", "image", "status")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    id: str
    namespace: str
    name: str
    generation: int
    image: str
    status: _container_pb2.ContainerStatus
    def __init__(self, id: _Optional[str] = ..., namespace: _Optional[str] = ..., name: _Optional[str] = ..., generation: _Optional[int] = ..., image: _Optional[str] = ..., status: _Optional[_Union[_container_pb2.ContainerStatus, _Mapping]] = ...) -> None: ...

class ListStraysRequest(_message.Message):
    __slots__ = ("ref",)
    REF_FIELD_NUMBER: _ClassVar[int]
    ref: str
    def __init__(self, ref: _Optional[str] = ...) -> None: ...

class ListStraysResponse(_message.Message):
    __slots__ = ("strays",)
    STRAYS_FIELD_NUMBER: _ClassVar[int]
    strays: _containers.RepeatedCompositeFieldContainer[Stray]
    def __init__(self, strays: _Optional[_Iterable[_Union[Stray, _Mapping]]] = ...) -> None: ...

class ResolveStraysRequest(_message.Message):
    __slots__ = ("ref", "action", "ids")
    REF_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    ref: str
    action: StrayAction
    ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, ref: _Optional[str] = ..., action: _Optional[_Union[StrayAction, str]] = ..., ids: _Optional[_Iterable[str]] = ...) -> None: ...

class ResolvedStray(_message.Message):
    __slots__ = ("id", "name", "error")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    error: str
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., error: _Optional[str] = ...) -> None: ...

class ResolveStraysResponse(_message.Message):
    __slots__ = ("strays",)
    STRAYS_FIELD_NUMBER: _ClassVar[int]
    strays: _containers.RepeatedCompositeFieldContainer[ResolvedStray]
    def __init__(self, strays: _Optional[_Iterable[_Union[ResolvedStray, _Mapping]]] = ...) -> None: ...
