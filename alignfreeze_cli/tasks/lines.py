"""Text files line by line, for the readers of the tasks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from alignfreeze_cli.errors import DataError


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines, counted from 1, without their ends (LF or CRLF) and without a byte-order mark.

    Split at LF only: words may hold what else Unicode calls a line break. Raises DataError with file and line for a
    file that cannot be read, binary data and bad UTF-8.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", path) from error
    data = data.removeprefix(b"\xef\xbb\xbf")
    for number, raw in enumerate(data.split(b"\n"), start=1):
        if b"\0" in raw:
            raise DataError("is a binary file; text is needed", path, number)
        try:
            yield number, raw.removesuffix(b"\r").decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"is not UTF-8 text (byte 0x{raw[error.start]:02x} at place {error.start + 1} in it)",
                path,
                number,
            ) from None
