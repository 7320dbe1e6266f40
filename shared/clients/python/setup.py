"""Makes a package of the one file, because only packages can tell type checkers that they have types."""

from setuptools import setup
from setuptools.command.build_py import build_py


class Package(build_py):
    """aiwm_chat.py becomes aiwm_chat/__init__.py, beside py.typed."""

    FILES = {"aiwm_chat.py": "aiwm_chat/__init__.py", "py.typed": "aiwm_chat/py.typed"}

    def run(self):
        self.mkpath(f"{self.build_lib}/aiwm_chat")
        for source, to in self.FILES.items():
            self.copy_file(source, f"{self.build_lib}/{to}")

    def get_outputs(self, include_bytecode=True):
        return [f"{self.build_lib}/{to}" for to in self.FILES.values()]


setup(cmdclass={"build_py": Package})
