from shoal_proto.v1 import container_pb2 as _container_pb2
from shoal_proto.v1 import node_pb2 as _node_pb2
from shoal_proto.v1 import resources_pb2 as _resources_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Assignment(_message.Message):
    __slots__ = ("namespace", "id", "name", "generation", "role", "config", "image_repository", "image_digest", "desired", "run_admitted", "addresses", "stop_grace_ms", "ever_ready", "trace_id", "paused", "ports", "remove_volumes", "limits_changed", "permissions")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    IMAGE_REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    IMAGE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    DESIRED_FIELD_NUMBER: _ClassVar[int]
    RUN_ADMITTED_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    STOP_GRACE_MS_FIELD_NUMBER: _ClassVar[int]
    EVER_READY_FIELD_NUMBER: _ClassVar[int]
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    PORTS_FIELD_NUMBER: _ClassVar[int]
    REMOVE_VOLUMES_FIELD_NUMBER: _ClassVar[int]
    LIMITS_CHANGED_FIELD_NUMBER: _ClassVar[int]
    PERMISSIONS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    id: str
    name: str
    generation: int
    role: _node_pb2.HoldRole
    config: _container_pb2.ContainerConfig
    image_repository: str
    image_digest: str
    desired: _container_pb2.DesiredState
    run_admitted: int
    addresses: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Address]
    stop_grace_ms: int
    ever_ready: bool
    trace_id: str
    paused: bool
    ports: _containers.RepeatedCompositeFieldContainer[_container_pb2.PortBinding]
    remove_volumes: bool
    limits_changed: int
    permissions: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, namespace: _Optional[str] = ..., id: _Optional[str] = ..., name: _Optional[str] = ..., generation: _Optional[int] = ..., role: _Optional[_Union[_node_pb2.HoldRole, str]] = ..., config: _Optional[_Union[_container_pb2.ContainerConfig, _Mapping]] = ..., image_repository: _Optional[str] = ..., image_digest: _Optional[str] = ..., desired: _Optional[_Union[_container_pb2.DesiredState, str]] = ..., run_admitted: _Optional[int] = ..., addresses: _Optional[_Iterable[_Union[_resources_pb2.Address, _Mapping]]] = ..., stop_grace_ms: _Optional[int] = ..., ever_ready: _Optional[bool] = ..., trace_id: _Optional[str] = ..., paused: _Optional[bool] = ..., ports: _Optional[_Iterable[_Union[_container_pb2.PortBinding, _Mapping]]] = ..., remove_volumes: _Optional[bool] = ..., limits_changed: _Optional[int] = ..., permissions: _Optional[_Iterable[str]] = ...) -> None: ...

class AssignmentSet(_message.Message):
    __slots__ = ("assignments",)
    ASSIGNMENTS_FIELD_NUMBER: _ClassVar[int]
    assignments: _containers.RepeatedCompositeFieldContainer[Assignment]
    def __init__(self, assignments: _Optional[_Iterable[_Union[Assignment, _Mapping]]] = ...) -> None: ...

class AssignmentChange(_message.Message):
    __slots__ = ("put", "removed")
    PUT_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    put: _containers.RepeatedCompositeFieldContainer[Assignment]
    removed: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, put: _Optional[_Iterable[_Union[Assignment, _Mapping]]] = ..., removed: _Optional[_Iterable[str]] = ...) -> None: ...

class LeaderToAgent(_message.Message):
    __slots__ = ("cluster_id", "epoch", "revision", "opened", "set", "change", "accepted", "controllers", "volume_removals")
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    OPENED_FIELD_NUMBER: _ClassVar[int]
    SET_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    CONTROLLERS_FIELD_NUMBER: _ClassVar[int]
    VOLUME_REMOVALS_FIELD_NUMBER: _ClassVar[int]
    cluster_id: str
    epoch: int
    revision: int
    opened: SessionOpened
    set: AssignmentSet
    change: AssignmentChange
    accepted: ReportsAccepted
    controllers: Controllers
    volume_removals: VolumeRemovals
    def __init__(self, cluster_id: _Optional[str] = ..., epoch: _Optional[int] = ..., revision: _Optional[int] = ..., opened: _Optional[_Union[SessionOpened, _Mapping]] = ..., set: _Optional[_Union[AssignmentSet, _Mapping]] = ..., change: _Optional[_Union[AssignmentChange, _Mapping]] = ..., accepted: _Optional[_Union[ReportsAccepted, _Mapping]] = ..., controllers: _Optional[_Union[Controllers, _Mapping]] = ..., volume_removals: _Optional[_Union[VolumeRemovals, _Mapping]] = ...) -> None: ...

class VolumeRemovals(_message.Message):
    __slots__ = ("ids",)
    IDS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, ids: _Optional[_Iterable[str]] = ...) -> None: ...

class Controllers(_message.Message):
    __slots__ = ("addresses",)
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    addresses: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, addresses: _Optional[_Iterable[str]] = ...) -> None: ...

class SessionOpened(_message.Message):
    __slots__ = ("session_epoch", "set_matches", "subnet", "gateway", "heartbeat_ms", "controllers")
    SESSION_EPOCH_FIELD_NUMBER: _ClassVar[int]
    SET_MATCHES_FIELD_NUMBER: _ClassVar[int]
    SUBNET_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_MS_FIELD_NUMBER: _ClassVar[int]
    CONTROLLERS_FIELD_NUMBER: _ClassVar[int]
    session_epoch: int
    set_matches: bool
    subnet: str
    gateway: str
    heartbeat_ms: int
    controllers: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, session_epoch: _Optional[int] = ..., set_matches: _Optional[bool] = ..., subnet: _Optional[str] = ..., gateway: _Optional[str] = ..., heartbeat_ms: _Optional[int] = ..., controllers: _Optional[_Iterable[str]] = ...) -> None: ...

class ReportsAccepted(_message.Message):
    __slots__ = ("reports",)
    REPORTS_FIELD_NUMBER: _ClassVar[int]
    reports: _containers.RepeatedCompositeFieldContainer[AcceptedReport]
    def __init__(self, reports: _Optional[_Iterable[_Union[AcceptedReport, _Mapping]]] = ...) -> None: ...

class AcceptedReport(_message.Message):
    __slots__ = ("id", "generation", "report")
    ID_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    id: str
    generation: int
    report: int
    def __init__(self, id: _Optional[str] = ..., generation: _Optional[int] = ..., report: _Optional[int] = ...) -> None: ...

class SessionHello(_message.Message):
    __slots__ = ("process_id", "description", "set_digest", "cluster_id", "epoch", "revision")
    PROCESS_ID_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    SET_DIGEST_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    process_id: str
    description: _node_pb2.NodeDescription
    set_digest: bytes
    cluster_id: str
    epoch: int
    revision: int
    def __init__(self, process_id: _Optional[str] = ..., description: _Optional[_Union[_node_pb2.NodeDescription, _Mapping]] = ..., set_digest: _Optional[bytes] = ..., cluster_id: _Optional[str] = ..., epoch: _Optional[int] = ..., revision: _Optional[int] = ...) -> None: ...

class StatusReport(_message.Message):
    __slots__ = ("namespace", "id", "status", "removed")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    id: str
    status: _container_pb2.ContainerStatus
    removed: bool
    def __init__(self, namespace: _Optional[str] = ..., id: _Optional[str] = ..., status: _Optional[_Union[_container_pb2.ContainerStatus, _Mapping]] = ..., removed: _Optional[bool] = ...) -> None: ...

class AgentToLeader(_message.Message):
    __slots__ = ("hello", "reports", "description", "strays", "removed_volumes")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    REPORTS_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    STRAYS_FIELD_NUMBER: _ClassVar[int]
    REMOVED_VOLUMES_FIELD_NUMBER: _ClassVar[int]
    hello: SessionHello
    reports: StatusReports
    description: _node_pb2.NodeDescription
    strays: Strays
    removed_volumes: VolumeRemovals
    def __init__(self, hello: _Optional[_Union[SessionHello, _Mapping]] = ..., reports: _Optional[_Union[StatusReports, _Mapping]] = ..., description: _Optional[_Union[_node_pb2.NodeDescription, _Mapping]] = ..., strays: _Optional[_Union[Strays, _Mapping]] = ..., removed_volumes: _Optional[_Union[VolumeRemovals, _Mapping]] = ...) -> None: ...

class StatusReports(_message.Message):
    __slots__ = ("reports",)
    REPORTS_FIELD_NUMBER: _ClassVar[int]
    reports: _containers.RepeatedCompositeFieldContainer[StatusReport]
    def __init__(self, reports: _Optional[_Iterable[_Union[StatusReport, _Mapping]]] = ...) -> None: ...

class Strays(_message.Message):
    __slots__ = ("ids",)
    IDS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, ids: _Optional[_Iterable[str]] = ...) -> None: ...

class HeartbeatRequest(_message.Message):
    __slots__ = ("process_id",)
    PROCESS_ID_FIELD_NUMBER: _ClassVar[int]
    process_id: str
    def __init__(self, process_id: _Optional[str] = ...) -> None: ...

class HeartbeatResponse(_message.Message):
    __slots__ = ("next_ms",)
    NEXT_MS_FIELD_NUMBER: _ClassVar[int]
    next_ms: int
    def __init__(self, next_ms: _Optional[int] = ...) -> None: ...
