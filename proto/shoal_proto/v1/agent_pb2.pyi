import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
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
    __slots__ = ("id", "follow", "cursor", "tail", "run", "since", "until", "joined")
    ID_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    TAIL_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    JOINED_FIELD_NUMBER: _ClassVar[int]
    id: str
    follow: bool
    cursor: _container_pb2.LogCursor
    tail: int
    run: int
    since: _timestamp_pb2.Timestamp
    until: _timestamp_pb2.Timestamp
    joined: bool
    def __init__(self, id: _Optional[str] = ..., follow: _Optional[bool] = ..., cursor: _Optional[_Union[_container_pb2.LogCursor, _Mapping]] = ..., tail: _Optional[int] = ..., run: _Optional[int] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., joined: _Optional[bool] = ...) -> None: ...

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

class AgentAttachStart(_message.Message):
    __slots__ = ("id", "generation", "start")
    ID_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    id: str
    generation: int
    start: _container_pb2.AttachStart
    def __init__(self, id: _Optional[str] = ..., generation: _Optional[int] = ..., start: _Optional[_Union[_container_pb2.AttachStart, _Mapping]] = ...) -> None: ...

class AgentAttachRequest(_message.Message):
    __slots__ = ("start", "request")
    START_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    start: AgentAttachStart
    request: _container_pb2.AttachRequest
    def __init__(self, start: _Optional[_Union[AgentAttachStart, _Mapping]] = ..., request: _Optional[_Union[_container_pb2.AttachRequest, _Mapping]] = ...) -> None: ...

class AgentContainerRef(_message.Message):
    __slots__ = ("id", "generation")
    ID_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    id: str
    generation: int
    def __init__(self, id: _Optional[str] = ..., generation: _Optional[int] = ...) -> None: ...

class AgentStatsRequest(_message.Message):
    __slots__ = ("ids", "follow", "interval_ms")
    IDS_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_MS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[str]
    follow: bool
    interval_ms: int
    def __init__(self, ids: _Optional[_Iterable[str]] = ..., follow: _Optional[bool] = ..., interval_ms: _Optional[int] = ...) -> None: ...

class AgentStatsResponse(_message.Message):
    __slots__ = ("stats",)
    STATS_FIELD_NUMBER: _ClassVar[int]
    stats: _containers.RepeatedCompositeFieldContainer[_container_pb2.ContainerStats]
    def __init__(self, stats: _Optional[_Iterable[_Union[_container_pb2.ContainerStats, _Mapping]]] = ...) -> None: ...

class AgentCopyOutRequest(_message.Message):
    __slots__ = ("container", "request")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    container: AgentContainerRef
    request: _container_pb2.CopyOutRequest
    def __init__(self, container: _Optional[_Union[AgentContainerRef, _Mapping]] = ..., request: _Optional[_Union[_container_pb2.CopyOutRequest, _Mapping]] = ...) -> None: ...

class AgentCopyInRequest(_message.Message):
    __slots__ = ("start", "data")
    START_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    start: AgentCopyInStart
    data: bytes
    def __init__(self, start: _Optional[_Union[AgentCopyInStart, _Mapping]] = ..., data: _Optional[bytes] = ...) -> None: ...

class AgentCopyInStart(_message.Message):
    __slots__ = ("container", "start")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    container: AgentContainerRef
    start: _container_pb2.CopyInStart
    def __init__(self, container: _Optional[_Union[AgentContainerRef, _Mapping]] = ..., start: _Optional[_Union[_container_pb2.CopyInStart, _Mapping]] = ...) -> None: ...

class AgentStatPathRequest(_message.Message):
    __slots__ = ("container", "path")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    container: AgentContainerRef
    path: str
    def __init__(self, container: _Optional[_Union[AgentContainerRef, _Mapping]] = ..., path: _Optional[str] = ...) -> None: ...

class AgentCommitRequest(_message.Message):
    __slots__ = ("container", "repository", "pause")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    PAUSE_FIELD_NUMBER: _ClassVar[int]
    container: AgentContainerRef
    repository: str
    pause: bool
    def __init__(self, container: _Optional[_Union[AgentContainerRef, _Mapping]] = ..., repository: _Optional[str] = ..., pause: _Optional[bool] = ...) -> None: ...

class AgentCommitResponse(_message.Message):
    __slots__ = ("bytes", "layer")
    BYTES_FIELD_NUMBER: _ClassVar[int]
    LAYER_FIELD_NUMBER: _ClassVar[int]
    bytes: int
    layer: _image_pb2.Layer
    def __init__(self, bytes: _Optional[int] = ..., layer: _Optional[_Union[_image_pb2.Layer, _Mapping]] = ...) -> None: ...

class AgentUsageRequest(_message.Message):
    __slots__ = ("containers", "volumes", "images", "ids", "limit_ms")
    CONTAINERS_FIELD_NUMBER: _ClassVar[int]
    VOLUMES_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_MS_FIELD_NUMBER: _ClassVar[int]
    containers: bool
    volumes: bool
    images: bool
    ids: _containers.RepeatedScalarFieldContainer[str]
    limit_ms: int
    def __init__(self, containers: _Optional[bool] = ..., volumes: _Optional[bool] = ..., images: _Optional[bool] = ..., ids: _Optional[_Iterable[str]] = ..., limit_ms: _Optional[int] = ...) -> None: ...

class AgentUsage(_message.Message):
    __slots__ = ("containers", "images", "volumes", "disk_bytes", "free_bytes", "image_bytes", "incomplete", "image_reclaimable_bytes")
    class ContainerUsage(_message.Message):
        __slots__ = ("id", "writable_bytes", "log_bytes", "image_bytes", "counted")
        ID_FIELD_NUMBER: _ClassVar[int]
        WRITABLE_BYTES_FIELD_NUMBER: _ClassVar[int]
        LOG_BYTES_FIELD_NUMBER: _ClassVar[int]
        IMAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
        COUNTED_FIELD_NUMBER: _ClassVar[int]
        id: str
        writable_bytes: int
        log_bytes: int
        image_bytes: int
        counted: bool
        def __init__(self, id: _Optional[str] = ..., writable_bytes: _Optional[int] = ..., log_bytes: _Optional[int] = ..., image_bytes: _Optional[int] = ..., counted: _Optional[bool] = ...) -> None: ...
    class ImageUsage(_message.Message):
        __slots__ = ("digest", "bytes", "unique_bytes", "containers", "used_at", "repository", "labels")
        class LabelsEntry(_message.Message):
            __slots__ = ("key", "value")
            KEY_FIELD_NUMBER: _ClassVar[int]
            VALUE_FIELD_NUMBER: _ClassVar[int]
            key: str
            value: str
            def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
        DIGEST_FIELD_NUMBER: _ClassVar[int]
        BYTES_FIELD_NUMBER: _ClassVar[int]
        UNIQUE_BYTES_FIELD_NUMBER: _ClassVar[int]
        CONTAINERS_FIELD_NUMBER: _ClassVar[int]
        USED_AT_FIELD_NUMBER: _ClassVar[int]
        REPOSITORY_FIELD_NUMBER: _ClassVar[int]
        LABELS_FIELD_NUMBER: _ClassVar[int]
        digest: str
        bytes: int
        unique_bytes: int
        containers: int
        used_at: _timestamp_pb2.Timestamp
        repository: str
        labels: _containers.ScalarMap[str, str]
        def __init__(self, digest: _Optional[str] = ..., bytes: _Optional[int] = ..., unique_bytes: _Optional[int] = ..., containers: _Optional[int] = ..., used_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., repository: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...
    class VolumeUsage(_message.Message):
        __slots__ = ("id", "bytes", "counted")
        ID_FIELD_NUMBER: _ClassVar[int]
        BYTES_FIELD_NUMBER: _ClassVar[int]
        COUNTED_FIELD_NUMBER: _ClassVar[int]
        id: str
        bytes: int
        counted: bool
        def __init__(self, id: _Optional[str] = ..., bytes: _Optional[int] = ..., counted: _Optional[bool] = ...) -> None: ...
    CONTAINERS_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    VOLUMES_FIELD_NUMBER: _ClassVar[int]
    DISK_BYTES_FIELD_NUMBER: _ClassVar[int]
    FREE_BYTES_FIELD_NUMBER: _ClassVar[int]
    IMAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    INCOMPLETE_FIELD_NUMBER: _ClassVar[int]
    IMAGE_RECLAIMABLE_BYTES_FIELD_NUMBER: _ClassVar[int]
    containers: _containers.RepeatedCompositeFieldContainer[AgentUsage.ContainerUsage]
    images: _containers.RepeatedCompositeFieldContainer[AgentUsage.ImageUsage]
    volumes: _containers.RepeatedCompositeFieldContainer[AgentUsage.VolumeUsage]
    disk_bytes: int
    free_bytes: int
    image_bytes: int
    incomplete: bool
    image_reclaimable_bytes: int
    def __init__(self, containers: _Optional[_Iterable[_Union[AgentUsage.ContainerUsage, _Mapping]]] = ..., images: _Optional[_Iterable[_Union[AgentUsage.ImageUsage, _Mapping]]] = ..., volumes: _Optional[_Iterable[_Union[AgentUsage.VolumeUsage, _Mapping]]] = ..., disk_bytes: _Optional[int] = ..., free_bytes: _Optional[int] = ..., image_bytes: _Optional[int] = ..., incomplete: _Optional[bool] = ..., image_reclaimable_bytes: _Optional[int] = ...) -> None: ...

class AgentPruneRequest(_message.Message):
    __slots__ = ("images", "digests")
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    DIGESTS_FIELD_NUMBER: _ClassVar[int]
    images: bool
    digests: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, images: _Optional[bool] = ..., digests: _Optional[_Iterable[str]] = ...) -> None: ...

class AgentPruneResponse(_message.Message):
    __slots__ = ("digests", "freed_bytes")
    DIGESTS_FIELD_NUMBER: _ClassVar[int]
    FREED_BYTES_FIELD_NUMBER: _ClassVar[int]
    digests: _containers.RepeatedScalarFieldContainer[str]
    freed_bytes: int
    def __init__(self, digests: _Optional[_Iterable[str]] = ..., freed_bytes: _Optional[int] = ...) -> None: ...

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
    __slots__ = ("schema", "assignment", "sealed_env", "status", "report_accepted", "boot_id", "pid", "pid_start_time", "conmon_pid", "conmon_start_time", "removing", "removed", "layers", "start_pending", "image_config", "kill_due_ms", "restart_due_ms", "restart_pause_ms", "eviction")
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
    EVICTION_FIELD_NUMBER: _ClassVar[int]
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
    eviction: str
    def __init__(self, schema: _Optional[int] = ..., assignment: _Optional[_Union[_dispatcher_pb2.Assignment, _Mapping]] = ..., sealed_env: _Optional[bytes] = ..., status: _Optional[_Union[_container_pb2.ContainerStatus, _Mapping]] = ..., report_accepted: _Optional[int] = ..., boot_id: _Optional[str] = ..., pid: _Optional[int] = ..., pid_start_time: _Optional[int] = ..., conmon_pid: _Optional[int] = ..., conmon_start_time: _Optional[int] = ..., removing: _Optional[bool] = ..., removed: _Optional[bool] = ..., layers: _Optional[_Iterable[str]] = ..., start_pending: _Optional[bool] = ..., image_config: _Optional[_Union[_image_pb2.ImageConfig, _Mapping]] = ..., kill_due_ms: _Optional[int] = ..., restart_due_ms: _Optional[int] = ..., restart_pause_ms: _Optional[int] = ..., eviction: _Optional[str] = ...) -> None: ...
