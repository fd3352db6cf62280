"""
The build's one step that pyproject.toml cannot tell: what lies beside the package into the wheel.

Notebooks, parameters and the glossary lie in folders where people look for them; `tf_lib.project`
finds them there in a checkout, and in the package where a wheel was installed.
"""

from __future__ import annotations

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = ("notebooks/*.ipynb", "parameters/*.yaml", "docs/glossary.md")


class BuildWithFiles(build_py):
    """Copy what is shipped beside the modules; an editable install reads it where it lies."""

    def _shipped(self) -> dict[str, str]:
        files = sorted(file for pattern in SHIPPED for file in Path().glob(pattern))
        folder = Path(self.build_lib, "tf_lib", "shipped")
        return {str(folder / file): str(file) for file in files}

    def run(self) -> None:
        """Build the package, then put the shipped files into it."""
        super().run()
        if not self.editable_mode:
            for target, source in self._shipped().items():
                self.mkpath(str(Path(target).parent))
                self.copy_file(source, target)

    def get_source_files(self) -> list[str]:
        """Return what a source distribution needs."""
        return [*super().get_source_files(), *self._shipped().values()]

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Return what a wheel is made of."""
        shipped = [] if self.editable_mode else list(self._shipped())
        return [*super().get_outputs(include_bytecode), *shipped]


setup(cmdclass={"build_py": BuildWithFiles})
