from pathlib import Path

from kaito.runtime.download import folder_bytes


def test_every_byte_counts_once_also_of_files_still_being_written(tmp_path: Path) -> None:
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    (blobs / "abc").write_bytes(b"12345")
    (blobs / "def.incomplete").write_bytes(b"123")
    (tmp_path / "model.safetensors").symlink_to(blobs / "abc")
    assert folder_bytes(tmp_path) == 8
    assert folder_bytes(tmp_path / "none") == 0
