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

class RestartMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RESTART_MODE_UNSPECIFIED: _ClassVar[RestartMode]
    RESTART_MODE_NO: _ClassVar[RestartMode]
    RESTART_MODE_ON_FAILURE: _ClassVar[RestartMode]
    RESTART_MODE_ALWAYS: _ClassVar[RestartMode]
    RESTART_MODE_UNLESS_STOPPED: _ClassVar[RestartMode]

class NetworkMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NETWORK_MODE_UNSPECIFIED: _ClassVar[NetworkMode]
    NETWORK_MODE_DEFAULT: _ClassVar[NetworkMode]
    NETWORK_MODE_NONE: _ClassVar[NetworkMode]

class DesiredState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DESIRED_STATE_UNSPECIFIED: _ClassVar[DesiredState]
    DESIRED_STATE_CREATED: _ClassVar[DesiredState]
    DESIRED_STATE_RUNNING: _ClassVar[DesiredState]
    DESIRED_STATE_STOPPED: _ClassVar[DesiredState]
    DESIRED_STATE_REMOVED: _ClassVar[DesiredState]

class ContainerState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONTAINER_STATE_UNSPECIFIED: _ClassVar[ContainerState]
    CONTAINER_STATE_PREPARING: _ClassVar[ContainerState]
    CONTAINER_STATE_READY: _ClassVar[ContainerState]
    CONTAINER_STATE_STARTING: _ClassVar[ContainerState]
    CONTAINER_STATE_RUNNING: _ClassVar[ContainerState]
    CONTAINER_STATE_STOPPING: _ClassVar[ContainerState]
    CONTAINER_STATE_EXITED: _ClassVar[ContainerState]
    CONTAINER_STATE_FAILED: _ClassVar[ContainerState]

class ContainerPhase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONTAINER_PHASE_UNSPECIFIED: _ClassVar[ContainerPhase]
    CONTAINER_PHASE_PENDING: _ClassVar[ContainerPhase]
    CONTAINER_PHASE_PREPARING: _ClassVar[ContainerPhase]
    CONTAINER_PHASE_CREATED: _ClassVar[ContainerPhase]
    CONTAINER_PHASE_STARTING: _ClassVar[ContainerPhase]
    CONTAINER_PHASE_RUNNING: _ClassVar[ContainerPhase]
    CONTAINER_PHASE_STOPPING: _ClassVar[ContainerPhase]
    CONTAINER_PHASE_EXITED: _ClassVar[ContainerPhase]
    CONTAINER_PHASE_FAILED: _ClassVar[ContainerPhase]
    CONTAINER_PHASE_REMOVING: _ClassVar[ContainerPhase]
    CONTAINER_PHASE_RESTARTING: _ClassVar[ContainerPhase]
    CONTAINER_PHASE_LOST: _ClassVar[ContainerPhase]

class WaitCondition(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WAIT_CONDITION_UNSPECIFIED: _ClassVar[WaitCondition]
    WAIT_CONDITION_RUNNING: _ClassVar[WaitCondition]
    WAIT_CONDITION_REMOVED: _ClassVar[WaitCondition]
    WAIT_CONDITION_READY: _ClassVar[WaitCondition]

class LogStream(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LOG_STREAM_UNSPECIFIED: _ClassVar[LogStream]
    LOG_STREAM_STDOUT: _ClassVar[LogStream]
    LOG_STREAM_STDERR: _ClassVar[LogStream]
RESTART_MODE_UNSPECIFIED: RestartMode
RESTART_MODE_NO: RestartMode
RESTART_MODE_ON_FAILURE: RestartMode
RESTART_MODE_ALWAYS: RestartMode
RESTART_MODE_UNLESS_STOPPED: RestartMode
NETWORK_MODE_UNSPECIFIED: NetworkMode
NETWORK_MODE_DEFAULT: NetworkMode
NETWORK_MODE_NONE: NetworkMode
DESIRED_STATE_UNSPECIFIED: DesiredState
DESIRED_STATE_CREATED: DesiredState
DESIRED_STATE_RUNNING: DesiredState
DESIRED_STATE_STOPPED: DesiredState
DESIRED_STATE_REMOVED: DesiredState
CONTAINER_STATE_UNSPECIFIED: ContainerState
CONTAINER_STATE_PREPARING: ContainerState
CONTAINER_STATE_READY: ContainerState
CONTAINER_STATE_STARTING: ContainerState
CONTAINER_STATE_RUNNING: ContainerState
CONTAINER_STATE_STOPPING: ContainerState
CONTAINER_STATE_EXITED: ContainerState
CONTAINER_STATE_FAILED: ContainerState
CONTAINER_PHASE_UNSPECIFIED: ContainerPhase
CONTAINER_PHASE_PENDING: ContainerPhase
CONTAINER_PHASE_PREPARING: ContainerPhase
CONTAINER_PHASE_CREATED: ContainerPhase
CONTAINER_PHASE_STARTING: ContainerPhase
CONTAINER_PHASE_RUNNING: ContainerPhase
CONTAINER_PHASE_STOPPING: ContainerPhase
CONTAINER_PHASE_EXITED: ContainerPhase
CONTAINER_PHASE_FAILED: ContainerPhase
CONTAINER_PHASE_REMOVING: ContainerPhase
CONTAINER_PHASE_RESTARTING: ContainerPhase
CONTAINER_PHASE_LOST: ContainerPhase
WAIT_CONDITION_UNSPECIFIED: WaitCondition
WAIT_CONDITION_RUNNING: WaitCondition
WAIT_CONDITION_REMOVED: WaitCondition
WAIT_CONDITION_READY: WaitCondition
LOG_STREAM_UNSPECIFIED: LogStream
LOG_STREAM_STDOUT: LogStream
LOG_STREAM_STDERR: LogStream

class ContainerConfig(_message.Message):
    __slots__ = ("image", "entrypoint", "args", "env", "working_dir", "user", "labels", "hostname", "resources", "constraints", "network", "stop_signal", "stop_timeout_seconds", "auto_remove", "runtime", "restart")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    ENTRYPOINT_FIELD_NUMBER: _ClassVar[int]
    ARGS_FIELD_NUMBER: _ClassVar[int]
    ENV_FIELD_NUMBER: _ClassVar[int]
    WORKING_DIR_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    CONSTRAINTS_FIELD_NUMBER: _ClassVar[int]
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    STOP_SIGNAL_FIELD_NUMBER: _ClassVar[int]
    STOP_TIMEOUT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    AUTO_REMOVE_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_FIELD_NUMBER: _ClassVar[int]
    RESTART_FIELD_NUMBER: _ClassVar[int]
    image: str
    entrypoint: _resources_pb2.StringList
    args: _containers.RepeatedScalarFieldContainer[str]
    env: _containers.RepeatedScalarFieldContainer[str]
    working_dir: str
    user: str
    labels: _containers.ScalarMap[str, str]
    hostname: str
    resources: _resources_pb2.Resources
    constraints: _containers.RepeatedScalarFieldContainer[str]
    network: NetworkMode
    stop_signal: str
    stop_timeout_seconds: int
    auto_remove: bool
    runtime: str
    restart: RestartPolicy
    def __init__(self, image: _Optional[str] = ..., entrypoint: _Optional[_Union[_resources_pb2.StringList, _Mapping]] = ..., args: _Optional[_Iterable[str]] = ..., env: _Optional[_Iterable[str]] = ..., working_dir: _Optional[str] = ..., user: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., hostname: _Optional[str] = ..., resources: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ..., constraints: _Optional[_Iterable[str]] = ..., network: _Optional[_Union[NetworkMode, str]] = ..., stop_signal: _Optional[str] = ..., stop_timeout_seconds: _Optional[int] = ..., auto_remove: _Optional[bool] = ..., runtime: _Optional[str] = ..., restart: _Optional[_Union[RestartPolicy, _Mapping]] = ...) -> None: ...

class RestartPolicy(_message.Message):
    __slots__ = ("mode", "maximum_retries")
    MODE_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_RETRIES_FIELD_NUMBER: _ClassVar[int]
    mode: RestartMode
    maximum_retries: int
    def __init__(self, mode: _Optional[_Union[RestartMode, str]] = ..., maximum_retries: _Optional[int] = ...) -> None: ...

class ContainerSpec(_message.Message):
    __slots__ = ("schema", "id", "namespace", "name", "config", "sealed_env", "image_digest", "image_repository", "desired", "run", "request_mac", "last_request_id", "created_at", "stop_grace_ms", "trace_id")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    SEALED_ENV_FIELD_NUMBER: _ClassVar[int]
    IMAGE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    IMAGE_REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    DESIRED_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    REQUEST_MAC_FIELD_NUMBER: _ClassVar[int]
    LAST_REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    STOP_GRACE_MS_FIELD_NUMBER: _ClassVar[int]
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    schema: int
    id: str
    namespace: str
    name: str
    config: ContainerConfig
    sealed_env: bytes
    image_digest: str
    image_repository: str
    desired: DesiredState
    run: int
    request_mac: bytes
    last_request_id: str
    created_at: _timestamp_pb2.Timestamp
    stop_grace_ms: int
    trace_id: str
    def __init__(self, schema: _Optional[int] = ..., id: _Optional[str] = ..., namespace: _Optional[str] = ..., name: _Optional[str] = ..., config: _Optional[_Union[ContainerConfig, _Mapping]] = ..., sealed_env: _Optional[bytes] = ..., image_digest: _Optional[str] = ..., image_repository: _Optional[str] = ..., desired: _Optional[_Union[DesiredState, str]] = ..., run: _Optional[int] = ..., request_mac: _Optional[bytes] = ..., last_request_id: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., stop_grace_ms: _Optional[int] = ..., trace_id: _Optional[str] = ...) -> None: ...

class ContainerPlacement(_message.Message):
    __slots__ = ("schema", "node", "generation", "addresses", "run_admitted", "placed_at", "lost_at")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    RUN_ADMITTED_FIELD_NUMBER: _ClassVar[int]
    PLACED_AT_FIELD_NUMBER: _ClassVar[int]
    LOST_AT_FIELD_NUMBER: _ClassVar[int]
    schema: int
    node: str
    generation: int
    addresses: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Address]
    run_admitted: int
    placed_at: _timestamp_pb2.Timestamp
    lost_at: _timestamp_pb2.Timestamp
    def __init__(self, schema: _Optional[int] = ..., node: _Optional[str] = ..., generation: _Optional[int] = ..., addresses: _Optional[_Iterable[_Union[_resources_pb2.Address, _Mapping]]] = ..., run_admitted: _Optional[int] = ..., placed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., lost_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Attempt(_message.Message):
    __slots__ = ("number", "run", "started_at", "finished_at", "exit_code", "reason", "oom_killed", "by_policy", "ready_at", "starting_at")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    FINISHED_AT_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    OOM_KILLED_FIELD_NUMBER: _ClassVar[int]
    BY_POLICY_FIELD_NUMBER: _ClassVar[int]
    READY_AT_FIELD_NUMBER: _ClassVar[int]
    STARTING_AT_FIELD_NUMBER: _ClassVar[int]
    number: int
    run: int
    started_at: _timestamp_pb2.Timestamp
    finished_at: _timestamp_pb2.Timestamp
    exit_code: int
    reason: str
    oom_killed: bool
    by_policy: bool
    ready_at: _timestamp_pb2.Timestamp
    starting_at: _timestamp_pb2.Timestamp
    def __init__(self, number: _Optional[int] = ..., run: _Optional[int] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., finished_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., exit_code: _Optional[int] = ..., reason: _Optional[str] = ..., oom_killed: _Optional[bool] = ..., by_policy: _Optional[bool] = ..., ready_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., starting_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ContainerStatus(_message.Message):
    __slots__ = ("schema", "generation", "attempt", "state", "report", "run_served", "attempts", "reason", "exit_code", "oom_killed", "started_at", "finished_at", "pid", "ever_ready", "uid_base", "command", "restarts", "restart_at")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    RUN_SERVED_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    OOM_KILLED_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    FINISHED_AT_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    EVER_READY_FIELD_NUMBER: _ClassVar[int]
    UID_BASE_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    RESTARTS_FIELD_NUMBER: _ClassVar[int]
    RESTART_AT_FIELD_NUMBER: _ClassVar[int]
    schema: int
    generation: int
    attempt: int
    state: ContainerState
    report: int
    run_served: int
    attempts: _containers.RepeatedCompositeFieldContainer[Attempt]
    reason: str
    exit_code: int
    oom_killed: bool
    started_at: _timestamp_pb2.Timestamp
    finished_at: _timestamp_pb2.Timestamp
    pid: int
    ever_ready: bool
    uid_base: int
    command: _containers.RepeatedScalarFieldContainer[str]
    restarts: int
    restart_at: _timestamp_pb2.Timestamp
    def __init__(self, schema: _Optional[int] = ..., generation: _Optional[int] = ..., attempt: _Optional[int] = ..., state: _Optional[_Union[ContainerState, str]] = ..., report: _Optional[int] = ..., run_served: _Optional[int] = ..., attempts: _Optional[_Iterable[_Union[Attempt, _Mapping]]] = ..., reason: _Optional[str] = ..., exit_code: _Optional[int] = ..., oom_killed: _Optional[bool] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., finished_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., pid: _Optional[int] = ..., ever_ready: _Optional[bool] = ..., uid_base: _Optional[int] = ..., command: _Optional[_Iterable[str]] = ..., restarts: _Optional[int] = ..., restart_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Tombstone(_message.Message):
    __slots__ = ("schema", "id", "namespace", "name", "status", "request_mac", "run", "removed_at", "last_request_id", "image", "labels", "node_name", "trace_id", "created_at", "placed_at", "generation")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_MAC_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    REMOVED_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    NODE_NAME_FIELD_NUMBER: _ClassVar[int]
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    PLACED_AT_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    schema: int
    id: str
    namespace: str
    name: str
    status: ContainerStatus
    request_mac: bytes
    run: int
    removed_at: _timestamp_pb2.Timestamp
    last_request_id: str
    image: str
    labels: _containers.ScalarMap[str, str]
    node_name: str
    trace_id: str
    created_at: _timestamp_pb2.Timestamp
    placed_at: _timestamp_pb2.Timestamp
    generation: int
    def __init__(self, schema: _Optional[int] = ..., id: _Optional[str] = ..., namespace: _Optional[str] = ..., name: _Optional[str] = ..., status: _Optional[_Union[ContainerStatus, _Mapping]] = ..., request_mac: _Optional[bytes] = ..., run: _Optional[int] = ..., removed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_request_id: _Optional[str] = ..., image: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., node_name: _Optional[str] = ..., trace_id: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., placed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., generation: _Optional[int] = ...) -> None: ...

class Container(_message.Message):
    __slots__ = ("spec", "placement", "status", "phase", "detail", "node_name", "revision", "node_down_since")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    PLACEMENT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    NODE_NAME_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    NODE_DOWN_SINCE_FIELD_NUMBER: _ClassVar[int]
    spec: ContainerSpec
    placement: ContainerPlacement
    status: ContainerStatus
    phase: ContainerPhase
    detail: str
    node_name: str
    revision: int
    node_down_since: _timestamp_pb2.Timestamp
    def __init__(self, spec: _Optional[_Union[ContainerSpec, _Mapping]] = ..., placement: _Optional[_Union[ContainerPlacement, _Mapping]] = ..., status: _Optional[_Union[ContainerStatus, _Mapping]] = ..., phase: _Optional[_Union[ContainerPhase, str]] = ..., detail: _Optional[str] = ..., node_name: _Optional[str] = ..., revision: _Optional[int] = ..., node_down_since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ContainerRef(_message.Message):
    __slots__ = ("namespace", "ref")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    ref: str
    def __init__(self, namespace: _Optional[str] = ..., ref: _Optional[str] = ...) -> None: ...

class CreateContainerRequest(_message.Message):
    __slots__ = ("namespace", "id", "name", "config", "start")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    id: str
    name: str
    config: ContainerConfig
    start: bool
    def __init__(self, namespace: _Optional[str] = ..., id: _Optional[str] = ..., name: _Optional[str] = ..., config: _Optional[_Union[ContainerConfig, _Mapping]] = ..., start: _Optional[bool] = ...) -> None: ...

class CreateContainerResponse(_message.Message):
    __slots__ = ("container", "tombstone")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    TOMBSTONE_FIELD_NUMBER: _ClassVar[int]
    container: Container
    tombstone: Tombstone
    def __init__(self, container: _Optional[_Union[Container, _Mapping]] = ..., tombstone: _Optional[_Union[Tombstone, _Mapping]] = ...) -> None: ...

class GetContainerRequest(_message.Message):
    __slots__ = ("container",)
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    container: ContainerRef
    def __init__(self, container: _Optional[_Union[ContainerRef, _Mapping]] = ...) -> None: ...

class ListContainersRequest(_message.Message):
    __slots__ = ("namespace", "all", "page_size", "page_token", "labels", "node")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    all: bool
    page_size: int
    page_token: str
    labels: _containers.RepeatedScalarFieldContainer[str]
    node: str
    def __init__(self, namespace: _Optional[str] = ..., all: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., labels: _Optional[_Iterable[str]] = ..., node: _Optional[str] = ...) -> None: ...

class ListContainersResponse(_message.Message):
    __slots__ = ("containers", "next_page_token", "revision")
    CONTAINERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    containers: _containers.RepeatedCompositeFieldContainer[Container]
    next_page_token: str
    revision: int
    def __init__(self, containers: _Optional[_Iterable[_Union[Container, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., revision: _Optional[int] = ...) -> None: ...

class WatchContainersRequest(_message.Message):
    __slots__ = ("namespace", "id", "after_revision")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_REVISION_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    id: str
    after_revision: int
    def __init__(self, namespace: _Optional[str] = ..., id: _Optional[str] = ..., after_revision: _Optional[int] = ...) -> None: ...

class WatchContainersResponse(_message.Message):
    __slots__ = ("revision", "container", "removed")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    revision: int
    container: Container
    removed: str
    def __init__(self, revision: _Optional[int] = ..., container: _Optional[_Union[Container, _Mapping]] = ..., removed: _Optional[str] = ...) -> None: ...

class StartContainerRequest(_message.Message):
    __slots__ = ("container", "request_id")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    container: ContainerRef
    request_id: str
    def __init__(self, container: _Optional[_Union[ContainerRef, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class StopContainerRequest(_message.Message):
    __slots__ = ("container", "request_id", "timeout_seconds")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    container: ContainerRef
    request_id: str
    timeout_seconds: int
    def __init__(self, container: _Optional[_Union[ContainerRef, _Mapping]] = ..., request_id: _Optional[str] = ..., timeout_seconds: _Optional[int] = ...) -> None: ...

class RestartContainerRequest(_message.Message):
    __slots__ = ("container", "request_id", "timeout_seconds")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    container: ContainerRef
    request_id: str
    timeout_seconds: int
    def __init__(self, container: _Optional[_Union[ContainerRef, _Mapping]] = ..., request_id: _Optional[str] = ..., timeout_seconds: _Optional[int] = ...) -> None: ...

class RemoveContainerRequest(_message.Message):
    __slots__ = ("container", "request_id", "force")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    container: ContainerRef
    request_id: str
    force: bool
    def __init__(self, container: _Optional[_Union[ContainerRef, _Mapping]] = ..., request_id: _Optional[str] = ..., force: _Optional[bool] = ...) -> None: ...

class RemoveContainerResponse(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class KillContainerRequest(_message.Message):
    __slots__ = ("container", "signal")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    container: ContainerRef
    signal: str
    def __init__(self, container: _Optional[_Union[ContainerRef, _Mapping]] = ..., signal: _Optional[str] = ...) -> None: ...

class KillContainerResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WaitContainerRequest(_message.Message):
    __slots__ = ("container", "condition", "run")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    container: ContainerRef
    condition: WaitCondition
    run: int
    def __init__(self, container: _Optional[_Union[ContainerRef, _Mapping]] = ..., condition: _Optional[_Union[WaitCondition, str]] = ..., run: _Optional[int] = ...) -> None: ...

class WaitContainerResponse(_message.Message):
    __slots__ = ("done", "exit_code", "phase", "detail", "oom_killed", "id")
    DONE_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    OOM_KILLED_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    done: bool
    exit_code: int
    phase: ContainerPhase
    detail: str
    oom_killed: bool
    id: str
    def __init__(self, done: _Optional[bool] = ..., exit_code: _Optional[int] = ..., phase: _Optional[_Union[ContainerPhase, str]] = ..., detail: _Optional[str] = ..., oom_killed: _Optional[bool] = ..., id: _Optional[str] = ...) -> None: ...

class LogCursor(_message.Message):
    __slots__ = ("generation", "attempt", "segment", "offset")
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    generation: int
    attempt: int
    segment: int
    offset: int
    def __init__(self, generation: _Optional[int] = ..., attempt: _Optional[int] = ..., segment: _Optional[int] = ..., offset: _Optional[int] = ...) -> None: ...

class LogsRequest(_message.Message):
    __slots__ = ("container", "follow", "cursor", "tail", "run")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    TAIL_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    container: ContainerRef
    follow: bool
    cursor: LogCursor
    tail: int
    run: int
    def __init__(self, container: _Optional[_Union[ContainerRef, _Mapping]] = ..., follow: _Optional[bool] = ..., cursor: _Optional[_Union[LogCursor, _Mapping]] = ..., tail: _Optional[int] = ..., run: _Optional[int] = ...) -> None: ...

class LogEntry(_message.Message):
    __slots__ = ("stream", "data", "time")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    stream: LogStream
    data: bytes
    time: _timestamp_pb2.Timestamp
    def __init__(self, stream: _Optional[_Union[LogStream, str]] = ..., data: _Optional[bytes] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class LogsResponse(_message.Message):
    __slots__ = ("entries", "cursor")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[LogEntry]
    cursor: LogCursor
    def __init__(self, entries: _Optional[_Iterable[_Union[LogEntry, _Mapping]]] = ..., cursor: _Optional[_Union[LogCursor, _Mapping]] = ...) -> None: ...

class ExecStart(_message.Message):
    __slots__ = ("container", "args", "env", "working_dir", "user", "stdin")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    ARGS_FIELD_NUMBER: _ClassVar[int]
    ENV_FIELD_NUMBER: _ClassVar[int]
    WORKING_DIR_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    STDIN_FIELD_NUMBER: _ClassVar[int]
    container: ContainerRef
    args: _containers.RepeatedScalarFieldContainer[str]
    env: _containers.RepeatedScalarFieldContainer[str]
    working_dir: str
    user: str
    stdin: bool
    def __init__(self, container: _Optional[_Union[ContainerRef, _Mapping]] = ..., args: _Optional[_Iterable[str]] = ..., env: _Optional[_Iterable[str]] = ..., working_dir: _Optional[str] = ..., user: _Optional[str] = ..., stdin: _Optional[bool] = ...) -> None: ...

class ExecRequest(_message.Message):
    __slots__ = ("start", "stdin", "close_stdin", "signal")
    START_FIELD_NUMBER: _ClassVar[int]
    STDIN_FIELD_NUMBER: _ClassVar[int]
    CLOSE_STDIN_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    start: ExecStart
    stdin: bytes
    close_stdin: bool
    signal: int
    def __init__(self, start: _Optional[_Union[ExecStart, _Mapping]] = ..., stdin: _Optional[bytes] = ..., close_stdin: _Optional[bool] = ..., signal: _Optional[int] = ...) -> None: ...

class ExecResponse(_message.Message):
    __slots__ = ("started", "stdout", "stderr", "exit_code")
    STARTED_FIELD_NUMBER: _ClassVar[int]
    STDOUT_FIELD_NUMBER: _ClassVar[int]
    STDERR_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    started: int
    stdout: bytes
    stderr: bytes
    exit_code: int
    def __init__(self, started: _Optional[int] = ..., stdout: _Optional[bytes] = ..., stderr: _Optional[bytes] = ..., exit_code: _Optional[int] = ...) -> None: ...
