"""`make install`: what it takes from the tree."""
import os
import pathlib
import subprocess

TREE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FACEPAIR_BUILD", TREE / "build"))


def test_what_runs_left_in_the_trees_data_is_not_installed(tmp_path):
    left = TREE / "data" / "left-by-a-run"
    left.touch()
    try:
        subprocess.run(["cmake", "--install", BUILD, "--prefix", tmp_path, "--component", "facepair"], check=True, capture_output=True)
    finally:
        left.unlink()
    assert {each.name for each in (tmp_path / "share" / "facepair").iterdir()} <= {"face", "models"}
    assert (tmp_path / "bin" / "facepair").exists() and (tmp_path / "share" / "facepair" / "models").is_dir()
