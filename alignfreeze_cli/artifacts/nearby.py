"""What lies beside a path that isn't there, for the message about it."""

from __future__ import annotations

from pathlib import Path

from alignfreeze_cli.settings import nearest


def path_alike(path: Path, files: bool = True, folders: bool = True) -> str:
    """`; did you mean 'runs/pos'?` for what has a name like this path's, in the part of it that is missing; or nothing.

    `files` and `folders`: which of the two are looked for. A folder on the way to the path may always be meant.
    """
    missing = path
    while not missing.parent.is_dir() and missing.parent != missing:
        missing = missing.parent
    on_the_way = missing != path
    try:
        names = [
            each.name
            for each in missing.parent.iterdir()
            if not each.name.startswith(".") and (each.is_dir() if on_the_way else _fits(each, files, folders))
        ]
    except OSError:
        return ""
    found = nearest(missing.name, names)
    return found if not found or missing.parent == Path() else found.replace("'", f"'{missing.parent}/", 1)


def _fits(path: Path, files: bool, folders: bool) -> bool:
    return (folders and path.is_dir()) or (files and path.is_file())
