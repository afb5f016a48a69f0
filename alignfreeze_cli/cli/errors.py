"""One table from exceptions to a sentence and an exit code (the codes are listed in `alignfreeze_cli/errors.py`)."""

from __future__ import annotations

import errno

from alignfreeze_cli.errors import AlignFreezeError

FAILED, INTERRUPTED = 1, 130


def explain(error: BaseException) -> tuple[str, int]:
    """The sentence a user reads for an exception, and the exit code."""
    if isinstance(error, AlignFreezeError):
        return str(error), error.exit_code
    if isinstance(error, KeyboardInterrupt) or type(error).__name__ == "Abort":  # typer's, at a question
        return "Interrupted; no output was changed.", INTERRUPTED
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f" while writing {error.filename}" if error.filename else ""
        return f"The disk is full{where}; free some space and run the command again (with --resume to go on).", FAILED
    if isinstance(error, PermissionError):
        return f"Permission denied: {error.filename}; choose another --output or change its permissions.", FAILED
    if isinstance(error, OSError) and error.errno in (errno.ENOTDIR, errno.EROFS, errno.ENAMETOOLONG):
        return f"{error.filename} can't be written ({error.strerror}); choose another --output.", FAILED
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "Out of memory; try a smaller batch, --precision bf16 or, on a GPU, --eager.", FAILED
    if "No space left on device" in str(error):  # safetensors wraps the operating system's error
        return "The disk is full; free some space and run the command again (with --resume to go on).", FAILED
    return f"Unexpected {type(error).__name__}: {error} (run again with --debug for the traceback).", FAILED
