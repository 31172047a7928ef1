# SPDX-License-Identifier: Apache-2.0
"""Measure as on a processor with AVX2 and nothing newer."""

import os
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).with_suffix('.c')
HIDDEN = 'AVX-512, VNNI and AMX'
_PRELOAD = 'LD_PRELOAD'


def build(folder: Path) -> Path:
    """
    Compile the library that hides newer instructions from a program, and return its path.

    Raises:
        RuntimeError: if it cannot be compiled, or does not work on this machine.

    """
    folder.mkdir(parents=True, exist_ok=True)
    library = folder.resolve() / f'{SOURCE.stem}.so'
    options = ['-O2', '-Wall', '-Werror', '-shared', '-fPIC']
    compiler = ['cc', *options, '-o', str(library), str(SOURCE)]
    for command, environment in ((compiler, {}), (['true'], {_PRELOAD: str(library)})):
        try:
            subprocess.run(
                command, env=os.environ | environment, check=True, capture_output=True, text=True
            )
        except FileNotFoundError as error:
            raise RuntimeError(f'{error.filename} is missing: apt install gcc') from None
        except subprocess.CalledProcessError as error:
            raise RuntimeError(
                f'newer instructions can be hidden on x86-64 Linux only, on a processor with the '
                f'flag cpuid_fault: {error.stderr.strip()}'
            ) from None
    return library


def active() -> bool:
    """Return whether newer instructions are hidden from this program."""
    return SOURCE.stem in os.environ.get(_PRELOAD, '')


def restart(library: Path) -> None:
    """Run this program again from its start, with newer instructions hidden from it."""
    os.environ[_PRELOAD] = str(library)
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
