from shoal_proto.v1 import container_pb2 as _container_pb2
from shoal_proto.v1 import dispatcher_pb2 as _dispatcher_pb2
from shoal_proto.v1 import image_pb2 as _image_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AgentLogsRequest(_message.Message):
    __slots__ = ("id", "follow", "cursor", "tail", "run")
    ID_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    TAIL_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    id: str
    follow: bool
    cursor: _container_pb2.LogCursor
    tail: int
    run: int
    def __init__(self, id: _Optional[str] = ..., follow: _Optional[bool] = ..., cursor: _Optional[_Union[_container_pb2.LogCursor, _Mapping]] = ..., tail: _Optional[int] = ..., run: _Optional[int] = ...) -> None: ...

class AgentSignalRequest(_message.Message):
    __slots__ = ("id", "generation", "signal")
    ID_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    id: str
    generation: int
    signal: int
    def __init__(self, id: _Optional[str] = ..., generation: _Optional[int] = ..., signal: _Optional[int] = ...) -> None: ...

class AgentSignalResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AgentExecStart(_message.Message):
    __slots__ = ("id", "generation", "start")
    ID_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    id: str
    generation: int
    start: _container_pb2.ExecStart
    def __init__(self, id: _Optional[str] = ..., generation: _Optional[int] = ..., start: _Optional[_Union[_container_pb2.ExecStart, _Mapping]] = ...) -> None: ...

class AgentExecRequest(_message.Message):
    __slots__ = ("start", "request")
    START_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    start: AgentExecStart
    request: _container_pb2.ExecRequest
    def __init__(self, start: _Optional[_Union[AgentExecStart, _Mapping]] = ..., request: _Optional[_Union[_container_pb2.ExecRequest, _Mapping]] = ...) -> None: ...

class AgentPullRequest(_message.Message):
    __slots__ = ("repository", "digest")
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    repository: str
    digest: str
    def __init__(self, repository: _Optional[str] = ..., digest: _Optional[str] = ...) -> None: ...

class AgentInventoryRequest(_message.Message):
    __slots__ = ("ids",)
    IDS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, ids: _Optional[_Iterable[str]] = ...) -> None: ...

class AgentInventoryItem(_message.Message):
    __slots__ = ("assignment", "status", "stray")
    ASSIGNMENT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    STRAY_FIELD_NUMBER: _ClassVar[int]
    assignment: _dispatcher_pb2.Assignment
    status: _container_pb2.ContainerStatus
    stray: bool
    def __init__(self, assignment: _Optional[_Union[_dispatcher_pb2.Assignment, _Mapping]] = ..., status: _Optional[_Union[_container_pb2.ContainerStatus, _Mapping]] = ..., stray: _Optional[bool] = ...) -> None: ...

class ContainerRecord(_message.Message):
    __slots__ = ("schema", "assignment", "sealed_env", "status", "report_accepted", "boot_id", "pid", "pid_start_time", "conmon_pid", "conmon_start_time", "removing", "removed", "layers", "start_pending", "image_config", "kill_due_ms", "restart_due_ms", "restart_pause_ms")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENT_FIELD_NUMBER: _ClassVar[int]
    SEALED_ENV_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REPORT_ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    PID_START_TIME_FIELD_NUMBER: _ClassVar[int]
    CONMON_PID_FIELD_NUMBER: _ClassVar[int]
    CONMON_START_TIME_FIELD_NUMBER: _ClassVar[int]
    REMOVING_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    LAYERS_FIELD_NUMBER: _ClassVar[int]
    START_PENDING_FIELD_NUMBER: _ClassVar[int]
    IMAGE_CONFIG_FIELD_NUMBER: _ClassVar[int]
    KILL_DUE_MS_FIELD_NUMBER: _ClassVar[int]
    RESTART_DUE_MS_FIELD_NUMBER: _ClassVar[int]
    RESTART_PAUSE_MS_FIELD_NUMBER: _ClassVar[int]
    schema: int
    assignment: _dispatcher_pb2.Assignment
    sealed_env: bytes
    status: _container_pb2.ContainerStatus
    report_accepted: int
    boot_id: str
    pid: int
    pid_start_time: int
    conmon_pid: int
    conmon_start_time: int
    removing: bool
    removed: bool
    layers: _containers.RepeatedScalarFieldContainer[str]
    start_pending: bool
    image_config: _image_pb2.ImageConfig
    kill_due_ms: int
    restart_due_ms: int
    restart_pause_ms: int
    def __init__(self, schema: _Optional[int] = ..., assignment: _Optional[_Union[_dispatcher_pb2.Assignment, _Mapping]] = ..., sealed_env: _Optional[bytes] = ..., status: _Optional[_Union[_container_pb2.ContainerStatus, _Mapping]] = ..., report_accepted: _Optional[int] = ..., boot_id: _Optional[str] = ..., pid: _Optional[int] = ..., pid_start_time: _Optional[int] = ..., conmon_pid: _Optional[int] = ..., conmon_start_time: _Optional[int] = ..., removing: _Optional[bool] = ..., removed: _Optional[bool] = ..., layers: _Optional[_Iterable[str]] = ..., start_pending: _Optional[bool] = ..., image_config: _Optional[_Union[_image_pb2.ImageConfig, _Mapping]] = ..., kill_due_ms: _Optional[int] = ..., restart_due_ms: _Optional[int] = ..., restart_pause_ms: _Optional[int] = ...) -> None: ...
