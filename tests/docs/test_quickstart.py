"""docs/quickstart.md, run as it stands against the local stack."""

import os
import pathlib
import re
import signal
import subprocess
import threading

import pytest

from stack import NO_LIMITS, ROOT, Stack

PAGE = ROOT / "docs" / "quickstart.md"
TOOLS = ROOT / "tests" / "docs" / "node_modules" / ".bin" / "wscat"
STEP_SECONDS = 60
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
ANYTHING = "…"


def steps(page):
    """Each block of commands, and what it is to print, if anything."""
    found = []
    for kind, text in FENCE.findall(page):
        match kind:
            case "sh":
                found.append((text, None))
            case "text":
                commands, shown = found.pop()
                assert shown is None, f"two outputs for {commands}"
                found.append((commands, text))
            # What starts the stack and installs wscat: the fixtures did.
            case "console":
                assert text in ("$ make run\n", "$ make docs-tools\n")
            case _:
                raise AssertionError(f"a block of kind {kind!r}")
    return found


def lines(text):
    return [line for line in text.splitlines() if line]


def fits(shown, printed):
    """Whether output is what a page shows, where `…` stands for anything."""
    pattern = ".*".join(re.escape(part) for part in shown.split(ANYTHING))
    return re.fullmatch(pattern, printed) is not None


class Shell:
    """One shell for the whole page, as a reader has."""

    END = "end-of-step"

    def __init__(self, folder):
        # A reader's terminal: open, and nothing comes from it.
        self.nothing, self.keyboard = os.pipe()
        self.process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"], cwd=folder, text=True, start_new_session=True,
            env={"PATH": os.environ["PATH"], "HOME": str(folder)},
            pass_fds=[self.nothing], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        # A line that fails is a step that fails.
        self.process.stdin.write("trap 'failed=$BASH_COMMAND' ERR\n")

    def run(self, commands):
        """What the commands print, and the one that failed, if any."""
        # The shell's own commands come by its input: none of these may read it.
        self.process.stdin.write(f"failed=\n{{\n{commands}\n}} <&{self.nothing}\necho; echo \"{self.END} $failed\"\n")
        self.process.stdin.flush()
        printed = []
        too_late = threading.Timer(STEP_SECONDS, self.kill)
        too_late.start()
        try:
            for line in self.process.stdout:
                if line.startswith(self.END):
                    return printed, line.removeprefix(self.END).strip()
                printed.append(line.rstrip("\n"))
        finally:
            too_late.cancel()
        raise AssertionError(f"no end within {STEP_SECONDS} s of\n{commands}\nwhich printed {printed}")

    def kill(self):
        """Ends the shell and all that it started."""
        os.killpg(self.process.pid, signal.SIGKILL)

    def close(self):
        if self.process.poll() is None:
            self.kill()
        self.process.wait()
        self.process.stdin.close()
        os.close(self.nothing)
        os.close(self.keyboard)
        self.process.stdout.close()


@pytest.fixture
def shell():
    assert TOOLS.exists(), f"{TOOLS} is not there: make docs-tools"
    with Stack(NO_LIMITS) as stack:
        folder = pathlib.Path(stack.folder.name)
        (folder / "target").mkdir()
        (folder / "target" / "maskline-local.json").symlink_to(folder / "state.json")
        (folder / "tests").symlink_to(ROOT / "tests")
        running = Shell(folder)
        yield running
        running.close()


def test_the_page_works_as_written(shell):
    found = steps(PAGE.read_text())
    assert len(found) >= 12
    for commands, shown in found:
        printed, failed = shell.run(commands)
        told = "\n".join(printed)
        assert not failed, f"{failed}\nfailed in\n{commands}\nwhich printed\n{told}"
        got, expected = lines(told), lines(shown or "")
        assert len(got) == len(expected), f"{commands}\nprinted\n{told}"
        for one, another in zip(expected, got):
            assert fits(one, another), f"{commands}\nprinted\n{another}\nand not\n{one}"


def test_what_differs_is_noticed():
    assert fits("a … c", "a b c")
    assert not fits("a … c", "a b d")
    assert not fits("401", "4011")
    assert steps("```sh\nx\n```\n\n```text\ny\n```\n") == [("x\n", "y\n")]
    with pytest.raises(AssertionError):
        steps("```bash\nx\n```\n")


def test_a_failing_line_is_noticed(shell):
    assert shell.run("true")[1] == ""
    assert shell.run("false")[1] == "false"
    assert shell.run("false; true")[1] == "false"
