#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks winget's manifests: that each file is what winget takes, that they agree with each other,
and that they are of the zip beside them.

usage: check-winget.py FOLDER ZIP

What winget takes is said here once more, for the fields that tools/windows-package.sh writes: the
schemas of microsoft/winget-cli, schemas/JSON/manifests/v1.6.0, lengths, patterns and values as
there.  Unlike there, a field that is not known here is an error: it may be misspelt.  The last word
has `winget validate FOLDER` on Windows, and the pull request at microsoft/winget-pkgs.

Exit status: 0 fine, 1 not.
"""

import hashlib
import pathlib
import re
import sys
import zipfile

import jsonschema
import yaml

VERSION = "1.6.0"
NO_NAME = r'\\/:*?"<>|\x01-\x1f'  # what no part of a file's name may have


def text(least, most, pattern=None):
    return dict({"type": "string", "minLength": least, "maxLength": most},
                **({"pattern": pattern} if pattern else {}))


def one_of(*values):
    return {"enum": list(values)}


def list_of(item, most):
    return {"type": "array", "items": item, "minItems": 1, "maxItems": most, "uniqueItems": True}


def fields(required, optional):
    return {"type": "object", "properties": {**required, **optional}, "required": list(required),
            "additionalProperties": False}


URL = text(1, 2048, r"^[Hh][Tt][Tt][Pp][Ss]?://.+$")
NUMBERS = r"^(0|[1-9][0-9]{0,4})(\.(0|[1-9][0-9]{0,4}))"
LOCALE = text(2, 20, r"^([a-zA-Z]{2,3}|[iI]-[a-zA-Z]+|[xX]-[a-zA-Z]{1,8})(-[a-zA-Z]{1,8})*$")
TAG = text(1, 40)


def manifest(kind, required, optional=None):
    part = rf"[^.\s{NO_NAME}]{{1,32}}"
    return fields({"PackageIdentifier": text(1, 128, rf"^{part}(\.{part}){{1,7}}$"),
                   "PackageVersion": text(1, 128, rf"^[^{NO_NAME}]+$"),
                   **required,
                   "ManifestType": one_of(kind),
                   "ManifestVersion": text(5, 17, NUMBERS + "{2}$")}, optional or {})


ABOUT = {"Publisher": text(2, 256), "PublisherUrl": URL, "PublisherSupportUrl": URL,
         "Author": text(2, 256), "PackageName": text(2, 256), "PackageUrl": URL,
         "License": text(3, 512), "LicenseUrl": URL, "Copyright": text(3, 512),
         "ShortDescription": text(3, 256), "Description": text(3, 10000),
         "Tags": list_of(TAG, 16), "ReleaseNotes": text(1, 10000), "ReleaseNotesUrl": URL}
NEEDED = ("Publisher", "PackageName", "License", "ShortDescription")
SCHEMAS = {
    "version": manifest("version", {"DefaultLocale": LOCALE}),
    "defaultLocale": manifest("defaultLocale",
                              {"PackageLocale": LOCALE, **{n: ABOUT[n] for n in NEEDED}},
                              {**ABOUT, "Moniker": TAG}),
    "locale": manifest("locale", {"PackageLocale": LOCALE}, ABOUT),
    # A zip that holds one program; each other kind of installer has other fields.
    "installer": manifest("installer", {
        "InstallerType": one_of("zip"),
        "NestedInstallerType": one_of("portable"),
        "NestedInstallerFiles": list_of(
            fields({"RelativeFilePath": text(1, 512)}, {"PortableCommandAlias": TAG}), 1024),
        "Installers": list_of(fields(
            {"Architecture": one_of("x86", "x64", "arm", "arm64", "neutral"),
             "InstallerUrl": URL,
             "InstallerSha256": text(64, 64, "^[A-Fa-f0-9]{64}$")}, {}), 1024),
    }, {
        "Platform": list_of(one_of("Windows.Desktop", "Windows.Universal"), 2),
        "MinimumOSVersion": text(1, 23, NUMBERS + "{0,3}$"),
        "Commands": list_of(TAG, 16),
    }),
}


def read(path):
    """A document, and what is wrong with it."""
    source = path.read_text("utf-8")
    document = yaml.safe_load(source)
    if not isinstance(document, dict) or document.get("ManifestType") not in SCHEMAS:
        return document, [f"{path.name}: no ManifestType that is known"]
    kind = document["ManifestType"]
    wrong = [f"{path.name}: {'.'.join(map(str, error.path)) or 'the file'}: {error.message}"
             for error in jsonschema.Draft202012Validator(SCHEMAS[kind]).iter_errors(document)]
    if f"winget-manifest.{kind.lower()}.{VERSION}.schema.json" not in source.splitlines()[0]:
        wrong.append(f"{path.name}: its first line names another schema than {kind} {VERSION}")
    if document.get("ManifestVersion") != VERSION:
        wrong.append(f"{path.name}: ManifestVersion is not {VERSION}")
    name = {"version": "", "installer": ".installer"}.get(
        kind, f".locale.{document.get('PackageLocale')}")
    if path.name != f"{document.get('PackageIdentifier')}{name}.yaml":
        wrong.append(f"{path.name}: by its contents it is to be called "
                     f"{document.get('PackageIdentifier')}{name}.yaml")
    return document, wrong


def agree(documents):
    """What the files say of each other."""
    for field in ("PackageIdentifier", "PackageVersion"):
        if len({str(d.get(field)) for d in documents}) != 1:
            yield f"the files differ in {field}"
    kinds = [d.get("ManifestType") for d in documents]
    for kind in ("version", "installer", "defaultLocale"):
        if kinds.count(kind) != 1:
            yield f"there is not one file of type {kind} but {kinds.count(kind)}"
    default = {d.get("DefaultLocale") or d.get("PackageLocale") for d in documents
               if d.get("ManifestType") in ("version", "defaultLocale")}
    if len(default) != 1:
        yield "the default locale is another one in its own file"


def of_the_zip(installer, packed):
    """What the installer's file says of the zip."""
    digest = hashlib.sha256(packed.read_bytes()).hexdigest()
    with zipfile.ZipFile(packed) as unpacked:
        names = set(unpacked.namelist())
    for nested in installer.get("NestedInstallerFiles", []):
        if nested.get("RelativeFilePath", "").replace("\\", "/") not in names:
            yield f"the zip holds no {nested.get('RelativeFilePath')}"
        if ".." in nested.get("RelativeFilePath", ""):
            yield "winget refuses a path with .. in it"
    for one in installer.get("Installers", []):
        if one.get("InstallerSha256", "").lower() != digest:
            yield "InstallerSha256 is not that of the zip"
        url = one.get("InstallerUrl", "")
        if url.rsplit("/", 1)[-1] != packed.name:
            yield f"InstallerUrl does not end in {packed.name}"
        if not url.lower().startswith("https://"):
            yield "InstallerUrl is not https, which winget-pkgs wants"
    version = re.escape(str(installer.get("PackageVersion")))
    if not re.search(rf"-{version}-", packed.name):
        yield "the zip's name has another version"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder, packed = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    documents, wrong = [], []
    for path in sorted(folder.glob("*.yaml")):
        document, found = read(path)
        wrong += found
        if isinstance(document, dict):
            documents.append(document)
    wrong += agree(documents)
    for document in documents:
        if document.get("ManifestType") == "installer":
            wrong += of_the_zip(document, packed)
    for line in wrong:
        print(f"winget: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
