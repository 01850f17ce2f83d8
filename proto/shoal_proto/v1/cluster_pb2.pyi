import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from shoal_proto.v1 import container_pb2 as _container_pb2
from shoal_proto.v1 import resources_pb2 as _resources_pb2
from shoal_proto.v1 import volume_pb2 as _volume_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RecoverySource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RECOVERY_SOURCE_UNSPECIFIED: _ClassVar[RecoverySource]
    RECOVERY_SOURCE_NODES: _ClassVar[RecoverySource]
    RECOVERY_SOURCE_RESTORED: _ClassVar[RecoverySource]
RECOVERY_SOURCE_UNSPECIFIED: RecoverySource
RECOVERY_SOURCE_NODES: RecoverySource
RECOVERY_SOURCE_RESTORED: RecoverySource

class Cluster(_message.Message):
    __slots__ = ("schema", "id", "epoch", "created_at", "subnet", "recovering")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    SUBNET_FIELD_NUMBER: _ClassVar[int]
    RECOVERING_FIELD_NUMBER: _ClassVar[int]
    schema: int
    id: str
    epoch: int
    created_at: _timestamp_pb2.Timestamp
    subnet: str
    recovering: bool
    def __init__(self, schema: _Optional[int] = ..., id: _Optional[str] = ..., epoch: _Optional[int] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., subnet: _Optional[str] = ..., recovering: _Optional[bool] = ...) -> None: ...

class Controller(_message.Message):
    __slots__ = ("schema", "name", "address", "version", "started_at")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    schema: int
    name: str
    address: str
    version: str
    started_at: _timestamp_pb2.Timestamp
    def __init__(self, schema: _Optional[int] = ..., name: _Optional[str] = ..., address: _Optional[str] = ..., version: _Optional[str] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Revocation(_message.Message):
    __slots__ = ("schema", "role", "id", "revoked_at", "reason", "request_id", "name")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    REVOKED_AT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    schema: int
    role: str
    id: str
    revoked_at: _timestamp_pb2.Timestamp
    reason: str
    request_id: str
    name: str
    def __init__(self, schema: _Optional[int] = ..., role: _Optional[str] = ..., id: _Optional[str] = ..., revoked_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reason: _Optional[str] = ..., request_id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class Leader(_message.Message):
    __slots__ = ("schema", "controller", "address", "elected_at")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    CONTROLLER_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    ELECTED_AT_FIELD_NUMBER: _ClassVar[int]
    schema: int
    controller: str
    address: str
    elected_at: _timestamp_pb2.Timestamp
    def __init__(self, schema: _Optional[int] = ..., controller: _Optional[str] = ..., address: _Optional[str] = ..., elected_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class JoinToken(_message.Message):
    __slots__ = ("schema", "id", "secret_sha256", "role", "expires_at")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    SECRET_SHA256_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    schema: int
    id: str
    secret_sha256: bytes
    role: str
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, schema: _Optional[int] = ..., id: _Optional[str] = ..., secret_sha256: _Optional[bytes] = ..., role: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ClusterInfo(_message.Message):
    __slots__ = ("cluster_id", "epoch", "version", "leader", "nodes", "nodes_ready", "containers", "containers_running", "capacity", "reserved", "subnet", "registry", "revision", "controller", "controllers", "store", "problems")
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    NODES_READY_FIELD_NUMBER: _ClassVar[int]
    CONTAINERS_FIELD_NUMBER: _ClassVar[int]
    CONTAINERS_RUNNING_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_FIELD_NUMBER: _ClassVar[int]
    RESERVED_FIELD_NUMBER: _ClassVar[int]
    SUBNET_FIELD_NUMBER: _ClassVar[int]
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CONTROLLER_FIELD_NUMBER: _ClassVar[int]
    CONTROLLERS_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    cluster_id: str
    epoch: int
    version: str
    leader: str
    nodes: int
    nodes_ready: int
    containers: int
    containers_running: int
    capacity: _resources_pb2.Resources
    reserved: _resources_pb2.Resources
    subnet: str
    registry: str
    revision: int
    controller: str
    controllers: _containers.RepeatedCompositeFieldContainer[Controller]
    store: _containers.RepeatedCompositeFieldContainer[StoreMember]
    problems: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, cluster_id: _Optional[str] = ..., epoch: _Optional[int] = ..., version: _Optional[str] = ..., leader: _Optional[str] = ..., nodes: _Optional[int] = ..., nodes_ready: _Optional[int] = ..., containers: _Optional[int] = ..., containers_running: _Optional[int] = ..., capacity: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ..., reserved: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ..., subnet: _Optional[str] = ..., registry: _Optional[str] = ..., revision: _Optional[int] = ..., controller: _Optional[str] = ..., controllers: _Optional[_Iterable[_Union[Controller, _Mapping]]] = ..., store: _Optional[_Iterable[_Union[StoreMember, _Mapping]]] = ..., problems: _Optional[_Iterable[str]] = ...) -> None: ...

class StoreMember(_message.Message):
    __slots__ = ("address", "healthy", "leads", "version", "size_bytes", "reason")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    HEALTHY_FIELD_NUMBER: _ClassVar[int]
    LEADS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    address: str
    healthy: bool
    leads: bool
    version: str
    size_bytes: int
    reason: str
    def __init__(self, address: _Optional[str] = ..., healthy: _Optional[bool] = ..., leads: _Optional[bool] = ..., version: _Optional[str] = ..., size_bytes: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class GetVersionRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetVersionResponse(_message.Message):
    __slots__ = ("version", "api", "python", "etcd")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    API_FIELD_NUMBER: _ClassVar[int]
    PYTHON_FIELD_NUMBER: _ClassVar[int]
    ETCD_FIELD_NUMBER: _ClassVar[int]
    version: str
    api: str
    python: str
    etcd: str
    def __init__(self, version: _Optional[str] = ..., api: _Optional[str] = ..., python: _Optional[str] = ..., etcd: _Optional[str] = ...) -> None: ...

class CreateJoinTokenRequest(_message.Message):
    __slots__ = ("valid_seconds",)
    VALID_SECONDS_FIELD_NUMBER: _ClassVar[int]
    valid_seconds: int
    def __init__(self, valid_seconds: _Optional[int] = ...) -> None: ...

class CreateJoinTokenResponse(_message.Message):
    __slots__ = ("token", "expires_at")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    token: str
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, token: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class RecoverClusterRequest(_message.Message):
    __slots__ = ("source", "nodes", "wait_seconds", "subnet")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    SUBNET_FIELD_NUMBER: _ClassVar[int]
    source: RecoverySource
    nodes: int
    wait_seconds: int
    subnet: str
    def __init__(self, source: _Optional[_Union[RecoverySource, str]] = ..., nodes: _Optional[int] = ..., wait_seconds: _Optional[int] = ..., subnet: _Optional[str] = ...) -> None: ...

class RecoverClusterResponse(_message.Message):
    __slots__ = ("message", "done", "nodes", "adopted", "missing")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    ADOPTED_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    message: str
    done: bool
    nodes: int
    adopted: int
    missing: int
    def __init__(self, message: _Optional[str] = ..., done: _Optional[bool] = ..., nodes: _Optional[int] = ..., adopted: _Optional[int] = ..., missing: _Optional[int] = ...) -> None: ...

class BackupClusterRequest(_message.Message):
    __slots__ = ("passphrase",)
    PASSPHRASE_FIELD_NUMBER: _ClassVar[int]
    passphrase: str
    def __init__(self, passphrase: _Optional[str] = ...) -> None: ...

class BackupClusterResponse(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class CompactStoreRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CompactStoreResponse(_message.Message):
    __slots__ = ("size_before", "size_after", "alarm_cleared")
    SIZE_BEFORE_FIELD_NUMBER: _ClassVar[int]
    SIZE_AFTER_FIELD_NUMBER: _ClassVar[int]
    ALARM_CLEARED_FIELD_NUMBER: _ClassVar[int]
    size_before: int
    size_after: int
    alarm_cleared: bool
    def __init__(self, size_before: _Optional[int] = ..., size_after: _Optional[int] = ..., alarm_cleared: _Optional[bool] = ...) -> None: ...

class ClusterPolicy(_message.Message):
    __slots__ = ("schema", "allowed", "last_request_id")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_FIELD_NUMBER: _ClassVar[int]
    LAST_REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    schema: int
    allowed: _containers.RepeatedScalarFieldContainer[str]
    last_request_id: str
    def __init__(self, schema: _Optional[int] = ..., allowed: _Optional[_Iterable[str]] = ..., last_request_id: _Optional[str] = ...) -> None: ...

class GetPolicyRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class UpdatePolicyRequest(_message.Message):
    __slots__ = ("request_id", "allow", "deny")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ALLOW_FIELD_NUMBER: _ClassVar[int]
    DENY_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    allow: _containers.RepeatedScalarFieldContainer[str]
    deny: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, request_id: _Optional[str] = ..., allow: _Optional[_Iterable[str]] = ..., deny: _Optional[_Iterable[str]] = ...) -> None: ...

class SystemUsageRequest(_message.Message):
    __slots__ = ("namespace", "nodes", "detail")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    nodes: _containers.RepeatedScalarFieldContainer[str]
    detail: bool
    def __init__(self, namespace: _Optional[str] = ..., nodes: _Optional[_Iterable[str]] = ..., detail: _Optional[bool] = ...) -> None: ...

class SystemUsageResponse(_message.Message):
    __slots__ = ("nodes",)
    NODES_FIELD_NUMBER: _ClassVar[int]
    nodes: _containers.RepeatedCompositeFieldContainer[NodeUsage]
    def __init__(self, nodes: _Optional[_Iterable[_Union[NodeUsage, _Mapping]]] = ...) -> None: ...

class NodeUsage(_message.Message):
    __slots__ = ("node_name", "images", "image_bytes", "image_reclaimable_bytes", "containers", "container_bytes", "container_reclaimable_bytes", "volumes", "volume_bytes", "volume_reclaimable_bytes", "log_bytes", "disk_bytes", "free_bytes", "problem", "images_active", "containers_running", "volumes_active", "log_reclaimable_bytes", "incomplete", "image_list", "container_list", "volume_list")
    NODE_NAME_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    IMAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    IMAGE_RECLAIMABLE_BYTES_FIELD_NUMBER: _ClassVar[int]
    CONTAINERS_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_BYTES_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_RECLAIMABLE_BYTES_FIELD_NUMBER: _ClassVar[int]
    VOLUMES_FIELD_NUMBER: _ClassVar[int]
    VOLUME_BYTES_FIELD_NUMBER: _ClassVar[int]
    VOLUME_RECLAIMABLE_BYTES_FIELD_NUMBER: _ClassVar[int]
    LOG_BYTES_FIELD_NUMBER: _ClassVar[int]
    DISK_BYTES_FIELD_NUMBER: _ClassVar[int]
    FREE_BYTES_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    IMAGES_ACTIVE_FIELD_NUMBER: _ClassVar[int]
    CONTAINERS_RUNNING_FIELD_NUMBER: _ClassVar[int]
    VOLUMES_ACTIVE_FIELD_NUMBER: _ClassVar[int]
    LOG_RECLAIMABLE_BYTES_FIELD_NUMBER: _ClassVar[int]
    INCOMPLETE_FIELD_NUMBER: _ClassVar[int]
    IMAGE_LIST_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_LIST_FIELD_NUMBER: _ClassVar[int]
    VOLUME_LIST_FIELD_NUMBER: _ClassVar[int]
    node_name: str
    images: int
    image_bytes: int
    image_reclaimable_bytes: int
    containers: int
    container_bytes: int
    container_reclaimable_bytes: int
    volumes: int
    volume_bytes: int
    volume_reclaimable_bytes: int
    log_bytes: int
    disk_bytes: int
    free_bytes: int
    problem: str
    images_active: int
    containers_running: int
    volumes_active: int
    log_reclaimable_bytes: int
    incomplete: bool
    image_list: _containers.RepeatedCompositeFieldContainer[ImageUsage]
    container_list: _containers.RepeatedCompositeFieldContainer[_container_pb2.Container]
    volume_list: _containers.RepeatedCompositeFieldContainer[_volume_pb2.Volume]
    def __init__(self, node_name: _Optional[str] = ..., images: _Optional[int] = ..., image_bytes: _Optional[int] = ..., image_reclaimable_bytes: _Optional[int] = ..., containers: _Optional[int] = ..., container_bytes: _Optional[int] = ..., container_reclaimable_bytes: _Optional[int] = ..., volumes: _Optional[int] = ..., volume_bytes: _Optional[int] = ..., volume_reclaimable_bytes: _Optional[int] = ..., log_bytes: _Optional[int] = ..., disk_bytes: _Optional[int] = ..., free_bytes: _Optional[int] = ..., problem: _Optional[str] = ..., images_active: _Optional[int] = ..., containers_running: _Optional[int] = ..., volumes_active: _Optional[int] = ..., log_reclaimable_bytes: _Optional[int] = ..., incomplete: _Optional[bool] = ..., image_list: _Optional[_Iterable[_Union[ImageUsage, _Mapping]]] = ..., container_list: _Optional[_Iterable[_Union[_container_pb2.Container, _Mapping]]] = ..., volume_list: _Optional[_Iterable[_Union[_volume_pb2.Volume, _Mapping]]] = ...) -> None: ...

class ImageUsage(_message.Message):
    __slots__ = ("digest", "repository", "bytes", "unique_bytes", "containers", "used_at")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    UNIQUE_BYTES_FIELD_NUMBER: _ClassVar[int]
    CONTAINERS_FIELD_NUMBER: _ClassVar[int]
    USED_AT_FIELD_NUMBER: _ClassVar[int]
    digest: str
    repository: str
    bytes: int
    unique_bytes: int
    containers: int
    used_at: _timestamp_pb2.Timestamp
    def __init__(self, digest: _Optional[str] = ..., repository: _Optional[str] = ..., bytes: _Optional[int] = ..., unique_bytes: _Optional[int] = ..., containers: _Optional[int] = ..., used_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class PruneImagesRequest(_message.Message):
    __slots__ = ("all", "request_id", "filters")
    ALL_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FILTERS_FIELD_NUMBER: _ClassVar[int]
    all: bool
    request_id: str
    filters: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, all: _Optional[bool] = ..., request_id: _Optional[str] = ..., filters: _Optional[_Iterable[str]] = ...) -> None: ...

class PruneImagesResponse(_message.Message):
    __slots__ = ("images", "freed_bytes", "problems", "names")
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    FREED_BYTES_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    images: int
    freed_bytes: int
    problems: _containers.RepeatedScalarFieldContainer[str]
    names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, images: _Optional[int] = ..., freed_bytes: _Optional[int] = ..., problems: _Optional[_Iterable[str]] = ..., names: _Optional[_Iterable[str]] = ...) -> None: ...
