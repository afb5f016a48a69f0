"""Models and files given to a step: what is accepted, and what each refusal says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from alignfreeze_cli.artifacts import resolve_artifact, resolve_encoder, resolve_files
from alignfreeze_cli.errors import ArtifactError, DataError, HubError


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    folder = tmp_path / "encoder"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "bert"}')
    save_file({"weight": np.ones((4, 4), dtype=np.float32)}, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_a_plain_hugging_face_folder_is_an_encoder(encoder: Path) -> None:
    first = resolve_encoder(str(encoder))
    assert first.record is None
    assert first.path == encoder
    (encoder / "README.md").write_text("not part of the model")
    assert resolve_encoder(str(encoder)).digest == first.digest
    (encoder / "config.json").write_text('{"model_type": "electra"}')
    assert resolve_encoder(str(encoder)).digest != first.digest


def test_pickled_weights_are_refused_by_name(encoder: Path) -> None:
    (encoder / "model.safetensors").rename(encoder / "pytorch_model.bin")
    with pytest.raises(ArtifactError, match=r"pickle \(pytorch_model\.bin\)"):
        resolve_encoder(str(encoder))


@pytest.mark.parametrize("kept", [0, 5, 40, -1])
def test_truncated_weights_are_found_before_loading(encoder: Path, kept: int) -> None:
    path = encoder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ArtifactError, match=r"model\.safetensors: (is truncated|is no safetensors file)"):
        resolve_encoder(str(encoder))


def test_folders_that_hold_no_model_are_refused(tmp_path: Path, encoder: Path) -> None:
    with pytest.raises(ArtifactError, match=r"no config\.json"):
        resolve_encoder(str(tmp_path))
    with pytest.raises(ArtifactError, match="no such folder"):
        resolve_encoder(str(tmp_path / "nowhere"))
    with pytest.raises(ArtifactError, match="is a file"):
        resolve_encoder(str(encoder / "config.json"))
    with pytest.raises(ArtifactError, match="is no task-model folder.*`alignfreeze finetune` makes one"):
        resolve_artifact(str(encoder), "task-model")


def test_offline_a_hub_id_must_be_in_the_cache() -> None:
    with pytest.raises(HubError, match="xlm-roberta-base is not in the local cache"):
        resolve_encoder("xlm-roberta-base")
    with pytest.raises(ArtifactError, match="--nonsense--: no such folder, nor can it be a Hub id"):
        resolve_encoder("--nonsense--")


def test_files_are_identified_by_their_bytes_not_their_names(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_text("x")
    b.write_text("x")
    assert resolve_files("data", "a", [a]).digest == resolve_files("data", "b", [b]).digest
    assert resolve_files("data", "a", [a, b]).digest != resolve_files("data", "a", [a]).digest
    with pytest.raises(DataError, match="nowhere: no such file"):
        resolve_files("data", "nowhere", [tmp_path / "nowhere"])
