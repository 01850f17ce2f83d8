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

class MountKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MOUNT_KIND_UNSPECIFIED: _ClassVar[MountKind]
    MOUNT_KIND_BIND: _ClassVar[MountKind]
    MOUNT_KIND_VOLUME: _ClassVar[MountKind]
    MOUNT_KIND_TMPFS: _ClassVar[MountKind]

class SharingMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SHARING_MODE_UNSPECIFIED: _ClassVar[SharingMode]
    SHARING_MODE_HOST: _ClassVar[SharingMode]
    SHARING_MODE_CONTAINER: _ClassVar[SharingMode]
    SHARING_MODE_SHAREABLE: _ClassVar[SharingMode]
    SHARING_MODE_NONE: _ClassVar[SharingMode]

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
    NETWORK_MODE_HOST: _ClassVar[NetworkMode]
    NETWORK_MODE_CONTAINER: _ClassVar[NetworkMode]

class DesiredState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DESIRED_STATE_UNSPECIFIED: _ClassVar[DesiredState]
    DESIRED_STATE_CREATED: _ClassVar[DesiredState]
    DESIRED_STATE_RUNNING: _ClassVar[DesiredState]
    DESIRED_STATE_STOPPED: _ClassVar[DesiredState]
    DESIRED_STATE_REMOVED: _ClassVar[DesiredState]

class HealthState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    HEALTH_STATE_UNSPECIFIED: _ClassVar[HealthState]
    HEALTH_STATE_STARTING: _ClassVar[HealthState]
    HEALTH_STATE_HEALTHY: _ClassVar[HealthState]
    HEALTH_STATE_UNHEALTHY: _ClassVar[HealthState]

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
    CONTAINER_PHASE_PAUSED: _ClassVar[ContainerPhase]

class WaitCondition(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WAIT_CONDITION_UNSPECIFIED: _ClassVar[WaitCondition]
    WAIT_CONDITION_RUNNING: _ClassVar[WaitCondition]
    WAIT_CONDITION_REMOVED: _ClassVar[WaitCondition]
    WAIT_CONDITION_READY: _ClassVar[WaitCondition]
    WAIT_CONDITION_SETTLED: _ClassVar[WaitCondition]
    WAIT_CONDITION_LIMITED: _ClassVar[WaitCondition]

class LogStream(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LOG_STREAM_UNSPECIFIED: _ClassVar[LogStream]
    LOG_STREAM_STDOUT: _ClassVar[LogStream]
    LOG_STREAM_STDERR: _ClassVar[LogStream]

class ChangeKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CHANGE_KIND_UNSPECIFIED: _ClassVar[ChangeKind]
    CHANGE_KIND_MODIFIED: _ClassVar[ChangeKind]
    CHANGE_KIND_ADDED: _ClassVar[ChangeKind]
    CHANGE_KIND_DELETED: _ClassVar[ChangeKind]
MOUNT_KIND_UNSPECIFIED: MountKind
MOUNT_KIND_BIND: MountKind
MOUNT_KIND_VOLUME: MountKind
MOUNT_KIND_TMPFS: MountKind
SHARING_MODE_UNSPECIFIED: SharingMode
SHARING_MODE_HOST: SharingMode
SHARING_MODE_CONTAINER: SharingMode
SHARING_MODE_SHAREABLE: SharingMode
SHARING_MODE_NONE: SharingMode
RESTART_MODE_UNSPECIFIED: RestartMode
RESTART_MODE_NO: RestartMode
RESTART_MODE_ON_FAILURE: RestartMode
RESTART_MODE_ALWAYS: RestartMode
RESTART_MODE_UNLESS_STOPPED: RestartMode
NETWORK_MODE_UNSPECIFIED: NetworkMode
NETWORK_MODE_DEFAULT: NetworkMode
NETWORK_MODE_NONE: NetworkMode
NETWORK_MODE_HOST: NetworkMode
NETWORK_MODE_CONTAINER: NetworkMode
DESIRED_STATE_UNSPECIFIED: DesiredState
DESIRED_STATE_CREATED: DesiredState
DESIRED_STATE_RUNNING: DesiredState
DESIRED_STATE_STOPPED: DesiredState
DESIRED_STATE_REMOVED: DesiredState
HEALTH_STATE_UNSPECIFIED: HealthState
HEALTH_STATE_STARTING: HealthState
HEALTH_STATE_HEALTHY: HealthState
HEALTH_STATE_UNHEALTHY: HealthState
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
CONTAINER_PHASE_PAUSED: ContainerPhase
WAIT_CONDITION_UNSPECIFIED: WaitCondition
WAIT_CONDITION_RUNNING: WaitCondition
WAIT_CONDITION_REMOVED: WaitCondition
WAIT_CONDITION_READY: WaitCondition
WAIT_CONDITION_SETTLED: WaitCondition
WAIT_CONDITION_LIMITED: WaitCondition
LOG_STREAM_UNSPECIFIED: LogStream
LOG_STREAM_STDOUT: LogStream
LOG_STREAM_STDERR: LogStream
CHANGE_KIND_UNSPECIFIED: ChangeKind
CHANGE_KIND_MODIFIED: ChangeKind
CHANGE_KIND_ADDED: ChangeKind
CHANGE_KIND_DELETED: ChangeKind

class ContainerConfig(_message.Message):
    __slots__ = ("image", "entrypoint", "args", "env", "working_dir", "user", "labels", "hostname", "resources", "constraints", "network", "stop_signal", "stop_timeout_seconds", "auto_remove", "runtime", "restart", "tty", "open_stdin", "stdin_once", "init", "health", "mounts", "read_only", "shm_size_bytes", "devices", "ports", "publish_all", "exposed_ports", "dns", "extra_hosts", "groups", "sysctls", "ulimits", "network_container", "pid", "ipc", "security", "log", "terminal_size", "uts")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class SysctlsEntry(_message.Message):
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
    TTY_FIELD_NUMBER: _ClassVar[int]
    OPEN_STDIN_FIELD_NUMBER: _ClassVar[int]
    STDIN_ONCE_FIELD_NUMBER: _ClassVar[int]
    INIT_FIELD_NUMBER: _ClassVar[int]
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    MOUNTS_FIELD_NUMBER: _ClassVar[int]
    READ_ONLY_FIELD_NUMBER: _ClassVar[int]
    SHM_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    PORTS_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_ALL_FIELD_NUMBER: _ClassVar[int]
    EXPOSED_PORTS_FIELD_NUMBER: _ClassVar[int]
    DNS_FIELD_NUMBER: _ClassVar[int]
    EXTRA_HOSTS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    SYSCTLS_FIELD_NUMBER: _ClassVar[int]
    ULIMITS_FIELD_NUMBER: _ClassVar[int]
    NETWORK_CONTAINER_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    IPC_FIELD_NUMBER: _ClassVar[int]
    SECURITY_FIELD_NUMBER: _ClassVar[int]
    LOG_FIELD_NUMBER: _ClassVar[int]
    TERMINAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    UTS_FIELD_NUMBER: _ClassVar[int]
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
    tty: bool
    open_stdin: bool
    stdin_once: bool
    init: bool
    health: HealthCheck
    mounts: _containers.RepeatedCompositeFieldContainer[Mount]
    read_only: bool
    shm_size_bytes: int
    devices: _containers.RepeatedCompositeFieldContainer[Device]
    ports: _containers.RepeatedCompositeFieldContainer[PortMapping]
    publish_all: bool
    exposed_ports: _containers.RepeatedScalarFieldContainer[str]
    dns: Dns
    extra_hosts: _containers.RepeatedScalarFieldContainer[str]
    groups: _containers.RepeatedScalarFieldContainer[str]
    sysctls: _containers.ScalarMap[str, str]
    ulimits: _containers.RepeatedCompositeFieldContainer[Ulimit]
    network_container: str
    pid: NamespaceSharing
    ipc: NamespaceSharing
    security: Security
    log: LogLimits
    terminal_size: TerminalSize
    uts: NamespaceSharing
    def __init__(self, image: _Optional[str] = ..., entrypoint: _Optional[_Union[_resources_pb2.StringList, _Mapping]] = ..., args: _Optional[_Iterable[str]] = ..., env: _Optional[_Iterable[str]] = ..., working_dir: _Optional[str] = ..., user: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., hostname: _Optional[str] = ..., resources: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ..., constraints: _Optional[_Iterable[str]] = ..., network: _Optional[_Union[NetworkMode, str]] = ..., stop_signal: _Optional[str] = ..., stop_timeout_seconds: _Optional[int] = ..., auto_remove: _Optional[bool] = ..., runtime: _Optional[str] = ..., restart: _Optional[_Union[RestartPolicy, _Mapping]] = ..., tty: _Optional[bool] = ..., open_stdin: _Optional[bool] = ..., stdin_once: _Optional[bool] = ..., init: _Optional[bool] = ..., health: _Optional[_Union[HealthCheck, _Mapping]] = ..., mounts: _Optional[_Iterable[_Union[Mount, _Mapping]]] = ..., read_only: _Optional[bool] = ..., shm_size_bytes: _Optional[int] = ..., devices: _Optional[_Iterable[_Union[Device, _Mapping]]] = ..., ports: _Optional[_Iterable[_Union[PortMapping, _Mapping]]] = ..., publish_all: _Optional[bool] = ..., exposed_ports: _Optional[_Iterable[str]] = ..., dns: _Optional[_Union[Dns, _Mapping]] = ..., extra_hosts: _Optional[_Iterable[str]] = ..., groups: _Optional[_Iterable[str]] = ..., sysctls: _Optional[_Mapping[str, str]] = ..., ulimits: _Optional[_Iterable[_Union[Ulimit, _Mapping]]] = ..., network_container: _Optional[str] = ..., pid: _Optional[_Union[NamespaceSharing, _Mapping]] = ..., ipc: _Optional[_Union[NamespaceSharing, _Mapping]] = ..., security: _Optional[_Union[Security, _Mapping]] = ..., log: _Optional[_Union[LogLimits, _Mapping]] = ..., terminal_size: _Optional[_Union[TerminalSize, _Mapping]] = ..., uts: _Optional[_Union[NamespaceSharing, _Mapping]] = ...) -> None: ...

class HealthCheck(_message.Message):
    __slots__ = ("test", "interval_ms", "timeout_ms", "start_period_ms", "start_interval_ms", "retries")
    TEST_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_MS_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    START_PERIOD_MS_FIELD_NUMBER: _ClassVar[int]
    START_INTERVAL_MS_FIELD_NUMBER: _ClassVar[int]
    RETRIES_FIELD_NUMBER: _ClassVar[int]
    test: _containers.RepeatedScalarFieldContainer[str]
    interval_ms: int
    timeout_ms: int
    start_period_ms: int
    start_interval_ms: int
    retries: int
    def __init__(self, test: _Optional[_Iterable[str]] = ..., interval_ms: _Optional[int] = ..., timeout_ms: _Optional[int] = ..., start_period_ms: _Optional[int] = ..., start_interval_ms: _Optional[int] = ..., retries: _Optional[int] = ...) -> None: ...

class Mount(_message.Message):
    __slots__ = ("kind", "source", "target", "read_only", "tmpfs_size_bytes", "tmpfs_mode", "no_copy", "volume_id", "tmpfs_exec")
    KIND_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    READ_ONLY_FIELD_NUMBER: _ClassVar[int]
    TMPFS_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    TMPFS_MODE_FIELD_NUMBER: _ClassVar[int]
    NO_COPY_FIELD_NUMBER: _ClassVar[int]
    VOLUME_ID_FIELD_NUMBER: _ClassVar[int]
    TMPFS_EXEC_FIELD_NUMBER: _ClassVar[int]
    kind: MountKind
    source: str
    target: str
    read_only: bool
    tmpfs_size_bytes: int
    tmpfs_mode: int
    no_copy: bool
    volume_id: str
    tmpfs_exec: bool
    def __init__(self, kind: _Optional[_Union[MountKind, str]] = ..., source: _Optional[str] = ..., target: _Optional[str] = ..., read_only: _Optional[bool] = ..., tmpfs_size_bytes: _Optional[int] = ..., tmpfs_mode: _Optional[int] = ..., no_copy: _Optional[bool] = ..., volume_id: _Optional[str] = ..., tmpfs_exec: _Optional[bool] = ...) -> None: ...

class Device(_message.Message):
    __slots__ = ("source", "target", "permissions")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    PERMISSIONS_FIELD_NUMBER: _ClassVar[int]
    source: str
    target: str
    permissions: str
    def __init__(self, source: _Optional[str] = ..., target: _Optional[str] = ..., permissions: _Optional[str] = ...) -> None: ...

class PortMapping(_message.Message):
    __slots__ = ("host_ip", "host_first", "host_last", "container_first", "container_last", "protocol")
    HOST_IP_FIELD_NUMBER: _ClassVar[int]
    HOST_FIRST_FIELD_NUMBER: _ClassVar[int]
    HOST_LAST_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_FIRST_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_LAST_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    host_ip: str
    host_first: int
    host_last: int
    container_first: int
    container_last: int
    protocol: str
    def __init__(self, host_ip: _Optional[str] = ..., host_first: _Optional[int] = ..., host_last: _Optional[int] = ..., container_first: _Optional[int] = ..., container_last: _Optional[int] = ..., protocol: _Optional[str] = ...) -> None: ...

class PortBinding(_message.Message):
    __slots__ = ("host_ip", "host_port", "container_port", "protocol")
    HOST_IP_FIELD_NUMBER: _ClassVar[int]
    HOST_PORT_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_PORT_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    host_ip: str
    host_port: int
    container_port: int
    protocol: str
    def __init__(self, host_ip: _Optional[str] = ..., host_port: _Optional[int] = ..., container_port: _Optional[int] = ..., protocol: _Optional[str] = ...) -> None: ...

class Dns(_message.Message):
    __slots__ = ("servers", "search", "options")
    SERVERS_FIELD_NUMBER: _ClassVar[int]
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    servers: _containers.RepeatedScalarFieldContainer[str]
    search: _containers.RepeatedScalarFieldContainer[str]
    options: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, servers: _Optional[_Iterable[str]] = ..., search: _Optional[_Iterable[str]] = ..., options: _Optional[_Iterable[str]] = ...) -> None: ...

class Ulimit(_message.Message):
    __slots__ = ("name", "soft", "hard")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SOFT_FIELD_NUMBER: _ClassVar[int]
    HARD_FIELD_NUMBER: _ClassVar[int]
    name: str
    soft: int
    hard: int
    def __init__(self, name: _Optional[str] = ..., soft: _Optional[int] = ..., hard: _Optional[int] = ...) -> None: ...

class NamespaceSharing(_message.Message):
    __slots__ = ("mode", "container")
    MODE_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    mode: SharingMode
    container: str
    def __init__(self, mode: _Optional[_Union[SharingMode, str]] = ..., container: _Optional[str] = ...) -> None: ...

class Security(_message.Message):
    __slots__ = ("privileged", "cap_add", "cap_drop", "seccomp_profile", "seccomp_unconfined", "new_privileges", "host_users")
    PRIVILEGED_FIELD_NUMBER: _ClassVar[int]
    CAP_ADD_FIELD_NUMBER: _ClassVar[int]
    CAP_DROP_FIELD_NUMBER: _ClassVar[int]
    SECCOMP_PROFILE_FIELD_NUMBER: _ClassVar[int]
    SECCOMP_UNCONFINED_FIELD_NUMBER: _ClassVar[int]
    NEW_PRIVILEGES_FIELD_NUMBER: _ClassVar[int]
    HOST_USERS_FIELD_NUMBER: _ClassVar[int]
    privileged: bool
    cap_add: _containers.RepeatedScalarFieldContainer[str]
    cap_drop: _containers.RepeatedScalarFieldContainer[str]
    seccomp_profile: str
    seccomp_unconfined: bool
    new_privileges: bool
    host_users: bool
    def __init__(self, privileged: _Optional[bool] = ..., cap_add: _Optional[_Iterable[str]] = ..., cap_drop: _Optional[_Iterable[str]] = ..., seccomp_profile: _Optional[str] = ..., seccomp_unconfined: _Optional[bool] = ..., new_privileges: _Optional[bool] = ..., host_users: _Optional[bool] = ...) -> None: ...

class LogLimits(_message.Message):
    __slots__ = ("max_size_bytes", "max_files", "labels", "env")
    MAX_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_FILES_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    ENV_FIELD_NUMBER: _ClassVar[int]
    max_size_bytes: int
    max_files: int
    labels: _containers.RepeatedScalarFieldContainer[str]
    env: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, max_size_bytes: _Optional[int] = ..., max_files: _Optional[int] = ..., labels: _Optional[_Iterable[str]] = ..., env: _Optional[_Iterable[str]] = ...) -> None: ...

class RestartPolicy(_message.Message):
    __slots__ = ("mode", "maximum_retries")
    MODE_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_RETRIES_FIELD_NUMBER: _ClassVar[int]
    mode: RestartMode
    maximum_retries: int
    def __init__(self, mode: _Optional[_Union[RestartMode, str]] = ..., maximum_retries: _Optional[int] = ...) -> None: ...

class ContainerSpec(_message.Message):
    __slots__ = ("schema", "id", "namespace", "name", "config", "sealed_env", "image_digest", "image_repository", "desired", "run", "request_mac", "last_request_id", "created_at", "stop_grace_ms", "trace_id", "paused", "remove_volumes", "renamed_at", "old_name", "limits_changed", "permissions")
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
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    REMOVE_VOLUMES_FIELD_NUMBER: _ClassVar[int]
    RENAMED_AT_FIELD_NUMBER: _ClassVar[int]
    OLD_NAME_FIELD_NUMBER: _ClassVar[int]
    LIMITS_CHANGED_FIELD_NUMBER: _ClassVar[int]
    PERMISSIONS_FIELD_NUMBER: _ClassVar[int]
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
    paused: bool
    remove_volumes: bool
    renamed_at: _timestamp_pb2.Timestamp
    old_name: str
    limits_changed: int
    permissions: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, schema: _Optional[int] = ..., id: _Optional[str] = ..., namespace: _Optional[str] = ..., name: _Optional[str] = ..., config: _Optional[_Union[ContainerConfig, _Mapping]] = ..., sealed_env: _Optional[bytes] = ..., image_digest: _Optional[str] = ..., image_repository: _Optional[str] = ..., desired: _Optional[_Union[DesiredState, str]] = ..., run: _Optional[int] = ..., request_mac: _Optional[bytes] = ..., last_request_id: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., stop_grace_ms: _Optional[int] = ..., trace_id: _Optional[str] = ..., paused: _Optional[bool] = ..., remove_volumes: _Optional[bool] = ..., renamed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., old_name: _Optional[str] = ..., limits_changed: _Optional[int] = ..., permissions: _Optional[_Iterable[str]] = ...) -> None: ...

class ContainerPlacement(_message.Message):
    __slots__ = ("schema", "node", "generation", "addresses", "run_admitted", "placed_at", "lost_at", "ports")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    RUN_ADMITTED_FIELD_NUMBER: _ClassVar[int]
    PLACED_AT_FIELD_NUMBER: _ClassVar[int]
    LOST_AT_FIELD_NUMBER: _ClassVar[int]
    PORTS_FIELD_NUMBER: _ClassVar[int]
    schema: int
    node: str
    generation: int
    addresses: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Address]
    run_admitted: int
    placed_at: _timestamp_pb2.Timestamp
    lost_at: _timestamp_pb2.Timestamp
    ports: _containers.RepeatedCompositeFieldContainer[PortBinding]
    def __init__(self, schema: _Optional[int] = ..., node: _Optional[str] = ..., generation: _Optional[int] = ..., addresses: _Optional[_Iterable[_Union[_resources_pb2.Address, _Mapping]]] = ..., run_admitted: _Optional[int] = ..., placed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., lost_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ports: _Optional[_Iterable[_Union[PortBinding, _Mapping]]] = ...) -> None: ...

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
    __slots__ = ("schema", "generation", "attempt", "state", "report", "run_served", "attempts", "reason", "exit_code", "oom_killed", "started_at", "finished_at", "pid", "ever_ready", "uid_base", "command", "restarts", "restart_at", "paused", "health", "health_output", "warning", "paused_at", "health_at", "limits_served", "limits")
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
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    HEALTH_OUTPUT_FIELD_NUMBER: _ClassVar[int]
    WARNING_FIELD_NUMBER: _ClassVar[int]
    PAUSED_AT_FIELD_NUMBER: _ClassVar[int]
    HEALTH_AT_FIELD_NUMBER: _ClassVar[int]
    LIMITS_SERVED_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
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
    paused: bool
    health: HealthState
    health_output: str
    warning: str
    paused_at: _timestamp_pb2.Timestamp
    health_at: _timestamp_pb2.Timestamp
    limits_served: int
    limits: _resources_pb2.Resources
    def __init__(self, schema: _Optional[int] = ..., generation: _Optional[int] = ..., attempt: _Optional[int] = ..., state: _Optional[_Union[ContainerState, str]] = ..., report: _Optional[int] = ..., run_served: _Optional[int] = ..., attempts: _Optional[_Iterable[_Union[Attempt, _Mapping]]] = ..., reason: _Optional[str] = ..., exit_code: _Optional[int] = ..., oom_killed: _Optional[bool] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., finished_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., pid: _Optional[int] = ..., ever_ready: _Optional[bool] = ..., uid_base: _Optional[int] = ..., command: _Optional[_Iterable[str]] = ..., restarts: _Optional[int] = ..., restart_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., paused: _Optional[bool] = ..., health: _Optional[_Union[HealthState, str]] = ..., health_output: _Optional[str] = ..., warning: _Optional[str] = ..., paused_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., health_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., limits_served: _Optional[int] = ..., limits: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ...) -> None: ...

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
    __slots__ = ("spec", "placement", "status", "phase", "detail", "node_name", "revision", "node_down_since", "node_address", "writable_bytes", "root_bytes")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    PLACEMENT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    NODE_NAME_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    NODE_DOWN_SINCE_FIELD_NUMBER: _ClassVar[int]
    NODE_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    WRITABLE_BYTES_FIELD_NUMBER: _ClassVar[int]
    ROOT_BYTES_FIELD_NUMBER: _ClassVar[int]
    spec: ContainerSpec
    placement: ContainerPlacement
    status: ContainerStatus
    phase: ContainerPhase
    detail: str
    node_name: str
    revision: int
    node_down_since: _timestamp_pb2.Timestamp
    node_address: str
    writable_bytes: int
    root_bytes: int
    def __init__(self, spec: _Optional[_Union[ContainerSpec, _Mapping]] = ..., placement: _Optional[_Union[ContainerPlacement, _Mapping]] = ..., status: _Optional[_Union[ContainerStatus, _Mapping]] = ..., phase: _Optional[_Union[ContainerPhase, str]] = ..., detail: _Optional[str] = ..., node_name: _Optional[str] = ..., revision: _Optional[int] = ..., node_down_since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., node_address: _Optional[str] = ..., writable_bytes: _Optional[int] = ..., root_bytes: _Optional[int] = ...) -> None: ...

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
    __slots__ = ("container", "size")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    container: ContainerRef
    size: bool
    def __init__(self, container: _Optional[_Union[ContainerRef, _Mapping]] = ..., size: _Optional[bool] = ...) -> None: ...

class ListContainersRequest(_message.Message):
    __slots__ = ("namespace", "all", "page_size", "page_token", "labels", "node", "filters", "size", "last")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    FILTERS_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    all: bool
    page_size: int
    page_token: str
    labels: _containers.RepeatedScalarFieldContainer[str]
    node: str
    filters: _containers.RepeatedScalarFieldContainer[str]
    size: bool
    last: int
    def __init__(self, namespace: _Optional[str] = ..., all: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., labels: _Optional[_Iterable[str]] = ..., node: _Optional[str] = ..., filters: _Optional[_Iterable[str]] = ..., size: _Optional[bool] = ..., last: _Optional[int] = ...) -> None: ...

class ListContainersResponse(_message.Message):
    __slots__ = ("containers", "next_page_token", "revision", "selected")
    CONTAINERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    SELECTED_FIELD_NUMBER: _ClassVar[int]
    containers: _containers.RepeatedCompositeFieldContainer[Container]
    next_page_token: str
    revision: int
    selected: bool
    def __init__(self, containers: _Optional[_Iterable[_Union[Container, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., revision: _Optional[int] = ..., selected: _Optional[bool] = ...) -> None: ...

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
    __slots__ = ("container", "request_id", "force", "volumes")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    VOLUMES_FIELD_NUMBER: _ClassVar[int]
    container: ContainerRef
    request_id: str
    force: bool
    volumes: bool
    def __init__(self, container: _Optional[_Union[ContainerRef, _Mapping]] = ..., request_id: _Optional[str] = ..., force: _Optional[bool] = ..., volumes: _Optional[bool] = ...) -> None: ...

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
    __slots__ = ("generation", "attempt", "segment", "offset", "position")
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    generation: int
    attempt: int
    segment: int
    offset: int
    position: int
    def __init__(self, generation: _Optional[int] = ..., attempt: _Optional[int] = ..., segment: _Optional[int] = ..., offset: _Optional[int] = ..., position: _Optional[int] = ...) -> None: ...

class LogsRequest(_message.Message):
    __slots__ = ("container", "follow", "cursor", "tail", "run", "since", "until", "joined")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    TAIL_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    JOINED_FIELD_NUMBER: _ClassVar[int]
    container: ContainerRef
    follow: bool
    cursor: LogCursor
    tail: int
    run: int
    since: _timestamp_pb2.Timestamp
    until: _timestamp_pb2.Timestamp
    joined: bool
    def __init__(self, container: _Optional[_Union[ContainerRef, _Mapping]] = ..., follow: _Optional[bool] = ..., cursor: _Optional[_Union[LogCursor, _Mapping]] = ..., tail: _Optional[int] = ..., run: _Optional[int] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., joined: _Optional[bool] = ...) -> None: ...

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
    __slots__ = ("entries", "cursor", "lost_bytes")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    LOST_BYTES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[LogEntry]
    cursor: LogCursor
    lost_bytes: int
    def __init__(self, entries: _Optional[_Iterable[_Union[LogEntry, _Mapping]]] = ..., cursor: _Optional[_Union[LogCursor, _Mapping]] = ..., lost_bytes: _Optional[int] = ...) -> None: ...

class ExecStart(_message.Message):
    __slots__ = ("container", "args", "env", "working_dir", "user", "stdin", "tty", "size", "privileged", "detach")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    ARGS_FIELD_NUMBER: _ClassVar[int]
    ENV_FIELD_NUMBER: _ClassVar[int]
    WORKING_DIR_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    STDIN_FIELD_NUMBER: _ClassVar[int]
    TTY_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    PRIVILEGED_FIELD_NUMBER: _ClassVar[int]
    DETACH_FIELD_NUMBER: _ClassVar[int]
    container: ContainerRef
    args: _containers.RepeatedScalarFieldContainer[str]
    env: _containers.RepeatedScalarFieldContainer[str]
    working_dir: str
    user: str
    stdin: bool
    tty: bool
    size: TerminalSize
    privileged: bool
    detach: bool
    def __init__(self, container: _Optional[_Union[ContainerRef, _Mapping]] = ..., args: _Optional[_Iterable[str]] = ..., env: _Optional[_Iterable[str]] = ..., working_dir: _Optional[str] = ..., user: _Optional[str] = ..., stdin: _Optional[bool] = ..., tty: _Optional[bool] = ..., size: _Optional[_Union[TerminalSize, _Mapping]] = ..., privileged: _Optional[bool] = ..., detach: _Optional[bool] = ...) -> None: ...

class TerminalSize(_message.Message):
    __slots__ = ("columns", "rows")
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    columns: int
    rows: int
    def __init__(self, columns: _Optional[int] = ..., rows: _Optional[int] = ...) -> None: ...

class ExecRequest(_message.Message):
    __slots__ = ("start", "stdin", "close_stdin", "signal", "resize", "detach")
    START_FIELD_NUMBER: _ClassVar[int]
    STDIN_FIELD_NUMBER: _ClassVar[int]
    CLOSE_STDIN_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    RESIZE_FIELD_NUMBER: _ClassVar[int]
    DETACH_FIELD_NUMBER: _ClassVar[int]
    start: ExecStart
    stdin: bytes
    close_stdin: bool
    signal: int
    resize: TerminalSize
    detach: bool
    def __init__(self, start: _Optional[_Union[ExecStart, _Mapping]] = ..., stdin: _Optional[bytes] = ..., close_stdin: _Optional[bool] = ..., signal: _Optional[int] = ..., resize: _Optional[_Union[TerminalSize, _Mapping]] = ..., detach: _Optional[bool] = ...) -> None: ...

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

class AttachStart(_message.Message):
    __slots__ = ("container", "stdin", "size", "cursor", "logs", "run")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    STDIN_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    LOGS_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    container: ContainerRef
    stdin: bool
    size: TerminalSize
    cursor: LogCursor
    logs: bool
    run: int
    def __init__(self, container: _Optional[_Union[ContainerRef, _Mapping]] = ..., stdin: _Optional[bool] = ..., size: _Optional[_Union[TerminalSize, _Mapping]] = ..., cursor: _Optional[_Union[LogCursor, _Mapping]] = ..., logs: _Optional[bool] = ..., run: _Optional[int] = ...) -> None: ...

class AttachRequest(_message.Message):
    __slots__ = ("start", "stdin", "close_stdin", "resize")
    START_FIELD_NUMBER: _ClassVar[int]
    STDIN_FIELD_NUMBER: _ClassVar[int]
    CLOSE_STDIN_FIELD_NUMBER: _ClassVar[int]
    RESIZE_FIELD_NUMBER: _ClassVar[int]
    start: AttachStart
    stdin: bytes
    close_stdin: bool
    resize: TerminalSize
    def __init__(self, start: _Optional[_Union[AttachStart, _Mapping]] = ..., stdin: _Optional[bytes] = ..., close_stdin: _Optional[bool] = ..., resize: _Optional[_Union[TerminalSize, _Mapping]] = ...) -> None: ...

class AttachResponse(_message.Message):
    __slots__ = ("opened", "stdout", "stderr", "exit_code", "cursor", "lost_bytes")
    OPENED_FIELD_NUMBER: _ClassVar[int]
    STDOUT_FIELD_NUMBER: _ClassVar[int]
    STDERR_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    LOST_BYTES_FIELD_NUMBER: _ClassVar[int]
    opened: AttachOpened
    stdout: bytes
    stderr: bytes
    exit_code: int
    cursor: LogCursor
    lost_bytes: int
    def __init__(self, opened: _Optional[_Union[AttachOpened, _Mapping]] = ..., stdout: _Optional[bytes] = ..., stderr: _Optional[bytes] = ..., exit_code: _Optional[int] = ..., cursor: _Optional[_Union[LogCursor, _Mapping]] = ..., lost_bytes: _Optional[int] = ...) -> None: ...

class AttachOpened(_message.Message):
    __slots__ = ("tty", "run")
    TTY_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    tty: bool
    run: int
    def __init__(self, tty: _Optional[bool] = ..., run: _Optional[int] = ...) -> None: ...

class PauseContainerRequest(_message.Message):
    __slots__ = ("container", "request_id")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    container: ContainerRef
    request_id: str
    def __init__(self, container: _Optional[_Union[ContainerRef, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class UnpauseContainerRequest(_message.Message):
    __slots__ = ("container", "request_id")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    container: ContainerRef
    request_id: str
    def __init__(self, container: _Optional[_Union[ContainerRef, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class RenameContainerRequest(_message.Message):
    __slots__ = ("container", "request_id", "name")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    container: ContainerRef
    request_id: str
    name: str
    def __init__(self, container: _Optional[_Union[ContainerRef, _Mapping]] = ..., request_id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class UpdateContainerRequest(_message.Message):
    __slots__ = ("container", "request_id", "resources", "restart")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    RESTART_FIELD_NUMBER: _ClassVar[int]
    container: ContainerRef
    request_id: str
    resources: _resources_pb2.Resources
    restart: RestartPolicy
    def __init__(self, container: _Optional[_Union[ContainerRef, _Mapping]] = ..., request_id: _Optional[str] = ..., resources: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ..., restart: _Optional[_Union[RestartPolicy, _Mapping]] = ...) -> None: ...

class PruneContainersRequest(_message.Message):
    __slots__ = ("namespace", "filters", "request_id")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    FILTERS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    filters: _containers.RepeatedScalarFieldContainer[str]
    request_id: str
    def __init__(self, namespace: _Optional[str] = ..., filters: _Optional[_Iterable[str]] = ..., request_id: _Optional[str] = ...) -> None: ...

class PruneContainersResponse(_message.Message):
    __slots__ = ("ids", "freed_bytes")
    IDS_FIELD_NUMBER: _ClassVar[int]
    FREED_BYTES_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[str]
    freed_bytes: int
    def __init__(self, ids: _Optional[_Iterable[str]] = ..., freed_bytes: _Optional[int] = ...) -> None: ...

class StatsRequest(_message.Message):
    __slots__ = ("namespace", "containers", "follow", "interval_ms", "all")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    CONTAINERS_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_MS_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    containers: _containers.RepeatedCompositeFieldContainer[ContainerRef]
    follow: bool
    interval_ms: int
    all: bool
    def __init__(self, namespace: _Optional[str] = ..., containers: _Optional[_Iterable[_Union[ContainerRef, _Mapping]]] = ..., follow: _Optional[bool] = ..., interval_ms: _Optional[int] = ..., all: _Optional[bool] = ...) -> None: ...

class StatsResponse(_message.Message):
    __slots__ = ("stats", "node_name")
    STATS_FIELD_NUMBER: _ClassVar[int]
    NODE_NAME_FIELD_NUMBER: _ClassVar[int]
    stats: _containers.RepeatedCompositeFieldContainer[ContainerStats]
    node_name: str
    def __init__(self, stats: _Optional[_Iterable[_Union[ContainerStats, _Mapping]]] = ..., node_name: _Optional[str] = ...) -> None: ...

class ContainerStats(_message.Message):
    __slots__ = ("id", "name", "node_name", "time", "cpu_ns", "cpu_user_ns", "cpu_system_ns", "cpu_millis", "throttled_periods", "throttled_ns", "memory_bytes", "memory_limit_bytes", "memory_cache_bytes", "swap_bytes", "oom_kills", "pids", "pids_limit", "network_received_bytes", "network_sent_bytes", "block_read_bytes", "block_written_bytes", "online_cpus", "problem")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NODE_NAME_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    CPU_NS_FIELD_NUMBER: _ClassVar[int]
    CPU_USER_NS_FIELD_NUMBER: _ClassVar[int]
    CPU_SYSTEM_NS_FIELD_NUMBER: _ClassVar[int]
    CPU_MILLIS_FIELD_NUMBER: _ClassVar[int]
    THROTTLED_PERIODS_FIELD_NUMBER: _ClassVar[int]
    THROTTLED_NS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_LIMIT_BYTES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_CACHE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SWAP_BYTES_FIELD_NUMBER: _ClassVar[int]
    OOM_KILLS_FIELD_NUMBER: _ClassVar[int]
    PIDS_FIELD_NUMBER: _ClassVar[int]
    PIDS_LIMIT_FIELD_NUMBER: _ClassVar[int]
    NETWORK_RECEIVED_BYTES_FIELD_NUMBER: _ClassVar[int]
    NETWORK_SENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    BLOCK_READ_BYTES_FIELD_NUMBER: _ClassVar[int]
    BLOCK_WRITTEN_BYTES_FIELD_NUMBER: _ClassVar[int]
    ONLINE_CPUS_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    node_name: str
    time: _timestamp_pb2.Timestamp
    cpu_ns: int
    cpu_user_ns: int
    cpu_system_ns: int
    cpu_millis: int
    throttled_periods: int
    throttled_ns: int
    memory_bytes: int
    memory_limit_bytes: int
    memory_cache_bytes: int
    swap_bytes: int
    oom_kills: int
    pids: int
    pids_limit: int
    network_received_bytes: int
    network_sent_bytes: int
    block_read_bytes: int
    block_written_bytes: int
    online_cpus: int
    problem: str
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., node_name: _Optional[str] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., cpu_ns: _Optional[int] = ..., cpu_user_ns: _Optional[int] = ..., cpu_system_ns: _Optional[int] = ..., cpu_millis: _Optional[int] = ..., throttled_periods: _Optional[int] = ..., throttled_ns: _Optional[int] = ..., memory_bytes: _Optional[int] = ..., memory_limit_bytes: _Optional[int] = ..., memory_cache_bytes: _Optional[int] = ..., swap_bytes: _Optional[int] = ..., oom_kills: _Optional[int] = ..., pids: _Optional[int] = ..., pids_limit: _Optional[int] = ..., network_received_bytes: _Optional[int] = ..., network_sent_bytes: _Optional[int] = ..., block_read_bytes: _Optional[int] = ..., block_written_bytes: _Optional[int] = ..., online_cpus: _Optional[int] = ..., problem: _Optional[str] = ...) -> None: ...

class TopRequest(_message.Message):
    __slots__ = ("container",)
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    container: ContainerRef
    def __init__(self, container: _Optional[_Union[ContainerRef, _Mapping]] = ...) -> None: ...

class TopResponse(_message.Message):
    __slots__ = ("processes",)
    PROCESSES_FIELD_NUMBER: _ClassVar[int]
    processes: _containers.RepeatedCompositeFieldContainer[Process]
    def __init__(self, processes: _Optional[_Iterable[_Union[Process, _Mapping]]] = ...) -> None: ...

class Process(_message.Message):
    __slots__ = ("pid", "parent", "inner_pid", "inner_uid", "cpu_ns", "memory_bytes", "started_at", "state", "terminal", "command")
    PID_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    INNER_PID_FIELD_NUMBER: _ClassVar[int]
    INNER_UID_FIELD_NUMBER: _ClassVar[int]
    CPU_NS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    TERMINAL_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    pid: int
    parent: int
    inner_pid: int
    inner_uid: int
    cpu_ns: int
    memory_bytes: int
    started_at: _timestamp_pb2.Timestamp
    state: str
    terminal: str
    command: str
    def __init__(self, pid: _Optional[int] = ..., parent: _Optional[int] = ..., inner_pid: _Optional[int] = ..., inner_uid: _Optional[int] = ..., cpu_ns: _Optional[int] = ..., memory_bytes: _Optional[int] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., state: _Optional[str] = ..., terminal: _Optional[str] = ..., command: _Optional[str] = ...) -> None: ...

class PathInfo(_message.Message):
    __slots__ = ("path", "size_bytes", "mode", "modified_at", "link_target")
    PATH_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    MODIFIED_AT_FIELD_NUMBER: _ClassVar[int]
    LINK_TARGET_FIELD_NUMBER: _ClassVar[int]
    path: str
    size_bytes: int
    mode: int
    modified_at: _timestamp_pb2.Timestamp
    link_target: str
    def __init__(self, path: _Optional[str] = ..., size_bytes: _Optional[int] = ..., mode: _Optional[int] = ..., modified_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., link_target: _Optional[str] = ...) -> None: ...

class CopyOutRequest(_message.Message):
    __slots__ = ("container", "path", "follow_link")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_LINK_FIELD_NUMBER: _ClassVar[int]
    container: ContainerRef
    path: str
    follow_link: bool
    def __init__(self, container: _Optional[_Union[ContainerRef, _Mapping]] = ..., path: _Optional[str] = ..., follow_link: _Optional[bool] = ...) -> None: ...

class CopyOutResponse(_message.Message):
    __slots__ = ("info", "data")
    INFO_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    info: PathInfo
    data: bytes
    def __init__(self, info: _Optional[_Union[PathInfo, _Mapping]] = ..., data: _Optional[bytes] = ...) -> None: ...

class CopyInStart(_message.Message):
    __slots__ = ("container", "path", "keep_ids")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    KEEP_IDS_FIELD_NUMBER: _ClassVar[int]
    container: ContainerRef
    path: str
    keep_ids: bool
    def __init__(self, container: _Optional[_Union[ContainerRef, _Mapping]] = ..., path: _Optional[str] = ..., keep_ids: _Optional[bool] = ...) -> None: ...

class CopyInRequest(_message.Message):
    __slots__ = ("start", "data")
    START_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    start: CopyInStart
    data: bytes
    def __init__(self, start: _Optional[_Union[CopyInStart, _Mapping]] = ..., data: _Optional[bytes] = ...) -> None: ...

class CopyInResponse(_message.Message):
    __slots__ = ("bytes", "done")
    BYTES_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    bytes: int
    done: bool
    def __init__(self, bytes: _Optional[int] = ..., done: _Optional[bool] = ...) -> None: ...

class StatPathRequest(_message.Message):
    __slots__ = ("container", "path")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    container: ContainerRef
    path: str
    def __init__(self, container: _Optional[_Union[ContainerRef, _Mapping]] = ..., path: _Optional[str] = ...) -> None: ...

class FileChange(_message.Message):
    __slots__ = ("kind", "path")
    KIND_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    kind: ChangeKind
    path: str
    def __init__(self, kind: _Optional[_Union[ChangeKind, str]] = ..., path: _Optional[str] = ...) -> None: ...

class DiffRequest(_message.Message):
    __slots__ = ("container",)
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    container: ContainerRef
    def __init__(self, container: _Optional[_Union[ContainerRef, _Mapping]] = ...) -> None: ...

class DiffResponse(_message.Message):
    __slots__ = ("changes",)
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[FileChange]
    def __init__(self, changes: _Optional[_Iterable[_Union[FileChange, _Mapping]]] = ...) -> None: ...

class ExportRequest(_message.Message):
    __slots__ = ("container",)
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    container: ContainerRef
    def __init__(self, container: _Optional[_Union[ContainerRef, _Mapping]] = ...) -> None: ...

class ExportResponse(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class CommitRequest(_message.Message):
    __slots__ = ("container", "reference", "author", "message", "pause", "changes")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    PAUSE_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    container: ContainerRef
    reference: str
    author: str
    message: str
    pause: bool
    changes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, container: _Optional[_Union[ContainerRef, _Mapping]] = ..., reference: _Optional[str] = ..., author: _Optional[str] = ..., message: _Optional[str] = ..., pause: _Optional[bool] = ..., changes: _Optional[_Iterable[str]] = ...) -> None: ...

class CommitProgress(_message.Message):
    __slots__ = ("bytes", "digest")
    BYTES_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    bytes: int
    digest: str
    def __init__(self, bytes: _Optional[int] = ..., digest: _Optional[str] = ...) -> None: ...
