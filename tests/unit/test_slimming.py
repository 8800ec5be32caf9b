"""Packages without what no invocation reads still work."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from relayctl.artifact import BuildFailedError, compile_away
from relayctl.slimming import blank_symbols


def test_a_module_is_imported_without_its_source(tmp_path: Path) -> None:
    """A traceback has the file that it has in Lambda, and the line."""
    (tmp_path / "oven").mkdir()
    (tmp_path / "oven/__init__.py").write_text("def bake():\n    raise ValueError('hot')\n")
    compile_away(tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["__init__.pyc"]
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import oven; oven.bake()"
    done = subprocess.run(  # noqa: S603 (our own code)
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert 'File "/var/task/oven/__init__.py", line 2, in bake' in done.stderr


def test_a_module_that_is_not_python_is_named(tmp_path: Path) -> None:
    """The build shows the text."""
    (tmp_path / "broken.py").write_text("def")
    with pytest.raises(BuildFailedError, match=tmp_path.name):
        compile_away(tmp_path)


def test_a_library_loses_its_symbols_and_still_loads(tmp_path: Path) -> None:
    """The names that the loader looks for are in another table."""
    spec = importlib.util.find_spec("cryptography.hazmat.bindings._rust")
    assert spec
    assert spec.origin
    library = tmp_path / Path(spec.origin).name
    before = Path(spec.origin).read_bytes()
    library.write_bytes(before)
    blank_symbols(library)
    after = library.read_bytes()
    assert len(after) == len(before)
    assert after.count(0) > before.count(0) + 100_000
    program = (
        "import importlib.util; from importlib.machinery import ExtensionFileLoader as Loader\n"
        f"spec = importlib.util.spec_from_loader('_rust', Loader('_rust', {str(library)!r}))\n"
        "importlib.util.module_from_spec(spec)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)  # noqa: S603 (our own code)


def test_another_kind_of_file_stays_as_it_is(tmp_path: Path) -> None:
    """A developer's machine may have libraries in another format."""
    library = tmp_path / "library.so"
    library.write_bytes(b"\xcf\xfa\xed\xfe" + bytes(100))
    blank_symbols(library)
    assert library.read_bytes() == b"\xcf\xfa\xed\xfe" + bytes(100)
