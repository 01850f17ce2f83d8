"""The wire: protobuf descriptions and the code generated beside them by `make proto`.

Nothing is written by hand here but the .proto files. Imports no other component.
"""
