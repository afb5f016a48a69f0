"""Folders that steps pass to each other: complete or absent, recorded, checked by digest (docs/artifacts.md)."""

from alignfreeze_cli.artifacts.inputs import Input, resolve_artifact, resolve_encoder, resolve_files
from alignfreeze_cli.artifacts.output import OutputFolder, Result, Workspace
from alignfreeze_cli.artifacts.record import KINDS, RECORD_NAME, Record, read_record, verify

__all__ = [
    "KINDS",
    "RECORD_NAME",
    "Input",
    "OutputFolder",
    "Record",
    "Result",
    "Workspace",
    "read_record",
    "resolve_artifact",
    "resolve_encoder",
    "resolve_files",
    "verify",
]
