import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class VolumeSpec(_message.Message):
    __slots__ = ("schema", "id", "namespace", "name", "labels", "driver", "constraints", "created_at", "owner", "removed", "request_mac", "last_request_id")
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
    LABELS_FIELD_NUMBER: _ClassVar[int]
    DRIVER_FIELD_NUMBER: _ClassVar[int]
    CONSTRAINTS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    REQUEST_MAC_FIELD_NUMBER: _ClassVar[int]
    LAST_REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    schema: int
    id: str
    namespace: str
    name: str
    labels: _containers.ScalarMap[str, str]
    driver: str
    constraints: _containers.RepeatedScalarFieldContainer[str]
    created_at: _timestamp_pb2.Timestamp
    owner: str
    removed: bool
    request_mac: bytes
    last_request_id: str
    def __init__(self, schema: _Optional[int] = ..., id: _Optional[str] = ..., namespace: _Optional[str] = ..., name: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., driver: _Optional[str] = ..., constraints: _Optional[_Iterable[str]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., owner: _Optional[str] = ..., removed: _Optional[bool] = ..., request_mac: _Optional[bytes] = ..., last_request_id: _Optional[str] = ...) -> None: ...

class VolumePlacement(_message.Message):
    __slots__ = ("schema", "node", "placed_at", "lost_at")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    PLACED_AT_FIELD_NUMBER: _ClassVar[int]
    LOST_AT_FIELD_NUMBER: _ClassVar[int]
    schema: int
    node: str
    placed_at: _timestamp_pb2.Timestamp
    lost_at: _timestamp_pb2.Timestamp
    def __init__(self, schema: _Optional[int] = ..., node: _Optional[str] = ..., placed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., lost_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Volume(_message.Message):
    __slots__ = ("spec", "placement", "node_name", "containers", "revision", "bytes")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    PLACEMENT_FIELD_NUMBER: _ClassVar[int]
    NODE_NAME_FIELD_NUMBER: _ClassVar[int]
    CONTAINERS_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    spec: VolumeSpec
    placement: VolumePlacement
    node_name: str
    containers: _containers.RepeatedScalarFieldContainer[str]
    revision: int
    bytes: int
    def __init__(self, spec: _Optional[_Union[VolumeSpec, _Mapping]] = ..., placement: _Optional[_Union[VolumePlacement, _Mapping]] = ..., node_name: _Optional[str] = ..., containers: _Optional[_Iterable[str]] = ..., revision: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...

class VolumeRef(_message.Message):
    __slots__ = ("namespace", "ref")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    ref: str
    def __init__(self, namespace: _Optional[str] = ..., ref: _Optional[str] = ...) -> None: ...

class CreateVolumeRequest(_message.Message):
    __slots__ = ("namespace", "id", "name", "labels", "driver", "constraints")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    DRIVER_FIELD_NUMBER: _ClassVar[int]
    CONSTRAINTS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    id: str
    name: str
    labels: _containers.ScalarMap[str, str]
    driver: str
    constraints: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, namespace: _Optional[str] = ..., id: _Optional[str] = ..., name: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., driver: _Optional[str] = ..., constraints: _Optional[_Iterable[str]] = ...) -> None: ...

class GetVolumeRequest(_message.Message):
    __slots__ = ("volume", "size")
    VOLUME_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    volume: VolumeRef
    size: bool
    def __init__(self, volume: _Optional[_Union[VolumeRef, _Mapping]] = ..., size: _Optional[bool] = ...) -> None: ...

class ListVolumesRequest(_message.Message):
    __slots__ = ("namespace", "filters", "page_size", "page_token", "size")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    FILTERS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    filters: _containers.RepeatedScalarFieldContainer[str]
    page_size: int
    page_token: str
    size: bool
    def __init__(self, namespace: _Optional[str] = ..., filters: _Optional[_Iterable[str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., size: _Optional[bool] = ...) -> None: ...

class ListVolumesResponse(_message.Message):
    __slots__ = ("volumes", "next_page_token", "revision")
    VOLUMES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    volumes: _containers.RepeatedCompositeFieldContainer[Volume]
    next_page_token: str
    revision: int
    def __init__(self, volumes: _Optional[_Iterable[_Union[Volume, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., revision: _Optional[int] = ...) -> None: ...

class RemoveVolumeRequest(_message.Message):
    __slots__ = ("volume", "request_id")
    VOLUME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    volume: VolumeRef
    request_id: str
    def __init__(self, volume: _Optional[_Union[VolumeRef, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class RemoveVolumeResponse(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class PruneVolumesRequest(_message.Message):
    __slots__ = ("namespace", "all", "filters", "request_id")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    FILTERS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    all: bool
    filters: _containers.RepeatedScalarFieldContainer[str]
    request_id: str
    def __init__(self, namespace: _Optional[str] = ..., all: _Optional[bool] = ..., filters: _Optional[_Iterable[str]] = ..., request_id: _Optional[str] = ...) -> None: ...

class PruneVolumesResponse(_message.Message):
    __slots__ = ("names", "freed_bytes")
    NAMES_FIELD_NUMBER: _ClassVar[int]
    FREED_BYTES_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    freed_bytes: int
    def __init__(self, names: _Optional[_Iterable[str]] = ..., freed_bytes: _Optional[int] = ...) -> None: ...
