"""The check of what was built, on programs of this machine and on damaged ones."""

import pathlib
import sys
import unittest

import elf


class ElfTest(unittest.TestCase):
    def setUp(self):
        # Whatever runs this test runs here.
        self.program = pathlib.Path(sys.executable).resolve().read_bytes()
        self.arch = {62: "x86_64", 183: "arm64"}[self.program[18]]
        self.other = {"x86_64": "arm64", "arm64": "x86_64"}[self.arch]

    def test_what_runs_here_passes(self):
        needed = elf.check(self.program, self.arch, (2, 99))
        major, minor = map(int, needed.split("."))
        self.assertEqual(major, 2)
        self.assertEqual(elf.check(self.program, self.arch, (2, minor)), needed)

    def test_a_glibc_that_is_too_old_is_found(self):
        needed = max(elf.versions(self.program))
        with self.assertRaisesRegex(elf.NotRunnable, "needs glibc"):
            elf.check(self.program, self.arch, (needed[0], needed[1] - 1))

    def test_another_machine_is_found(self):
        with self.assertRaisesRegex(elf.NotRunnable, "built for the machine"):
            elf.check(self.program, self.other, (2, 99))

    def test_another_interpreter_is_found(self):
        interpreter = elf.interpreter(self.program)
        damaged = self.program.replace(interpreter, interpreter[:-1] + b"9", 1)
        with self.assertRaisesRegex(elf.NotRunnable, "interpreter"):
            elf.check(damaged, self.arch, (2, 99))

    def test_what_is_no_program_is_found(self):
        with self.assertRaisesRegex(elf.NotRunnable, "not a 64-bit"):
            elf.check(b"#!/bin/sh\n", self.arch, (2, 99))


if __name__ == "__main__":
    unittest.main()
