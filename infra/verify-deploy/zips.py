"""The functions' zips that are deployed."""

import base64
import hashlib
import io
import json
import pathlib
import platform
import sys
import zipfile
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parents[2]
ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "arm64"}
# Where `transform.py` says that they are.
BUCKET = "code"


@dataclass
class Built:
    """Zips by function, and what they were built as."""

    arch: str
    zips: dict
    what: str


def of_release():
    """What `make zips` built, which must be for this machine, because it is run here."""
    folder = ROOT / "target" / "lambda"
    manifest = json.loads((folder / "manifest.json").read_text())
    arch, here = manifest["architecture"], ARCHITECTURES[platform.machine()]
    if arch != here:
        sys.exit(f"target/lambda is built for {arch}, which does not run here: make zips ARCH={here}")
    found = {name: (folder / name / "bootstrap.zip").read_bytes() for name in manifest["functions"]}
    missing = functions() - set(found)
    if missing:
        sys.exit(f"target/lambda has not all functions: {', '.join(sorted(missing))} are missing")
    glibc = max(one["glibc"] for one in manifest["functions"].values())
    return Built(arch, found, f"release build for {arch}, which needs glibc {glibc}")


def of_dev_build():
    """What `make build-dev` built."""
    found = {}
    for name in sorted(functions()):
        zipped = io.BytesIO()
        info = zipfile.ZipInfo("bootstrap")
        info.external_attr = 0o100755 << 16
        with zipfile.ZipFile(zipped, "w") as archive:
            data = (ROOT / "target" / "debug" / name).read_bytes()
            archive.writestr(info, data, zipfile.ZIP_DEFLATED, compresslevel=1)
        found[name] = zipped.getvalue()
    return Built(ARCHITECTURES[platform.machine()], found, "dev build")


def functions():
    return {path.name for path in (ROOT / "functions").iterdir() if path.is_dir()}


def upload(built, s3):
    """Puts every zip where the transformed template says it is; their keys, by the digest that
    Lambda shows."""
    s3.create_bucket(Bucket=BUCKET)
    keys = {}
    for name, data in built.zips.items():
        key = f"functions/{name}"
        s3.put_object(Bucket=BUCKET, Key=key, Body=data)
        keys[base64.b64encode(hashlib.sha256(data).digest()).decode()] = key
    return keys
