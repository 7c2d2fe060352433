"""`make setup` on a machine whose Python is too old."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]


def test_an_old_python_is_refused_with_the_remedy(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(REPOSITORY / name, tmp_path)
    old = tmp_path / "python3.9"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    for python in (str(old), "no-such-python"):
        result = subprocess.run(
            ["make", "setup", f"PYTHON={python}"], cwd=tmp_path, capture_output=True, text=True
        )
        assert result.returncode == 2
        assert f"needs Python 3.11 or newer; {python} is not" in result.stderr
        assert not (tmp_path / ".venv").exists()
