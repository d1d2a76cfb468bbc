"""Builds what ships: every function's zip for AWS Lambda, the same bytes from the same commit.

One cargo-lambda invocation builds all the functions, so that they are all built with the
same features of the same crates. `target/lambda/manifest.json` says what came out; the
sha256 in it is the CodeSha256 that Lambda shows of a deployed function.
"""

import argparse
import base64
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import zipfile

import elf

ROOT = pathlib.Path(__file__).resolve().parents[2]
TRIPLES = {"arm64": "aarch64-unknown-linux-gnu", "x86_64": "x86_64-unknown-linux-gnu"}
# Another compiler makes other bytes, so the commit says which.
RUST = "1.95.0"
# Amazon Linux 2023, which provided.al2023 is.
GLIBC = (2, 34)


def main():
    asked = arguments()
    every = sorted(path.name for path in (ROOT / "functions").iterdir() if path.is_dir())
    functions = asked.function or every
    for name in functions:
        if name not in every:
            sys.exit(f"there is no function {name}; there are {', '.join(every)}")
    target_dir = asked.target_dir.resolve()
    compile_functions(functions, TRIPLES[asked.arch], target_dir)
    out = target_dir / "lambda"
    entries = [pack(name, out / name, asked.arch) for name in functions]
    manifest = {
        "commit": commit(),
        "rustc": output("rustc", "--version"),
        "architecture": asked.arch,
        "functions": dict(entries),
    }
    (out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    for name, zipped in entries:
        print(f"{name:16} {zipped['bytes']:>9} bytes  glibc {zipped['glibc']}  {zipped['sha256']}")
    print(f"{len(entries)} functions for {asked.arch} of {manifest['commit']}, in {out}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arch", choices=sorted(TRIPLES), default="arm64")
    parser.add_argument("--function", action="append", help="only this one; may be repeated")
    parser.add_argument("--target-dir", type=pathlib.Path, default=ROOT / "target")
    return parser.parse_args()


def compile_functions(functions, triple, target_dir):
    install_compiler(triple)
    command = ["cargo", "lambda", "build", "--release", "--locked"]
    command += ["--target", f"{triple}.{GLIBC[0]}.{GLIBC[1]}"]
    command += ["--lambda-dir", str(target_dir / "lambda")]
    for name in functions:
        command += ["--package", name, "--bin", name]
    subprocess.run(command, cwd=ROOT, env=environment(target_dir), check=True)


def install_compiler(triple):
    if output("rustc", "--version").split()[1] != RUST:
        install = ["rustup", "toolchain", "install", RUST, "--profile", "minimal"]
        subprocess.run(install, check=True)
        os.environ["RUSTUP_TOOLCHAIN"] = RUST
    library = output("rustc", "--print", "target-libdir", "--target", triple)
    if not pathlib.Path(library).is_dir():
        subprocess.run(["rustup", "target", "add", triple], check=True)


def environment(target_dir):
    """Where things lie on this machine is not to be seen in what is built."""
    cargo_home = pathlib.Path(os.environ.get("CARGO_HOME", pathlib.Path.home() / ".cargo"))
    # Where several match, rustc takes the last.
    seen_as = {ROOT: "/maskline", target_dir: "/target", cargo_home: "/cargo"}
    remap = [f"--remap-path-prefix={path}={name}" for path, name in seen_as.items()]
    tools = str(pathlib.Path(sys.executable).parent)
    return os.environ | {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "CARGO_TARGET_DIR": str(target_dir),
        "RUSTFLAGS": " ".join(remap),
        "SOURCE_DATE_EPOCH": output("git", "log", "-1", "--format=%ct"),
        "TZ": "UTC",
        "LC_ALL": "C",
    }


def pack(name, folder, arch):
    """The zip of a function as SAM makes it, without a time in it, and what it is."""
    binary = (folder / "bootstrap").read_bytes()
    glibc = elf.check(binary, arch, GLIBC)
    for path in (ROOT, pathlib.Path.home()):
        if bytes(path) + b"/" in binary:
            sys.exit(f"{name}: the binary names the folder {path}, so it is not the same elsewhere")
    info = zipfile.ZipInfo("bootstrap")
    info.create_system = 3
    info.external_attr = 0o100755 << 16
    zipped = folder / "bootstrap.zip"
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr(info, binary, zipfile.ZIP_DEFLATED)
    data = zipped.read_bytes()
    digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
    return name, {"bytes": len(data), "glibc": glibc, "sha256": digest}


def commit():
    changed = output("git", "status", "--porcelain")
    return output("git", "rev-parse", "HEAD") + (" and changes" if changed else "")


def output(*command):
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


if __name__ == "__main__":
    main()
