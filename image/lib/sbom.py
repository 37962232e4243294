"""What is in the image: sbom.py ROOT PACKAGES-LIST TARGET VERSION OUT-DIR

Writes sbom.cdx.json (CycloneDX 1.5: Debian packages from dpkg's own status, crates from Cargo.lock as `cargo tree` resolves them
for TARGET, the weights) and NOTICES.txt (the licence of each crate with its text; where those of Debian lie). No time and no
random number in them: the same image gives the same files.
"""
import hashlib, json, os, re, subprocess, sys
from pathlib import Path

root, packages, target, version, out = Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4], Path(sys.argv[5])
repo = Path(__file__).resolve().parents[2]


def debian():
    hashes = {tuple(l.split()[:2]): l.split()[2] for l in open(packages)}
    for block in (root / "usr/lib/sysimage/dpkg/status").read_text().split("\n\n"):
        field = dict(re.findall(r"^([A-Za-z-]+): (.*)$", block, re.M))
        if field.get("Status") != "install ok installed":
            continue
        name, ver, arch = field["Package"], field["Version"], field["Architecture"]
        source = field.get("Source", name).split()[0]
        part = {
            "type": "library", "bom-ref": f"deb:{name}", "name": name, "version": ver,
            "purl": f"pkg:deb/debian/{name}@{ver.replace('+', '%2B').replace(':', '%3A')}?arch={arch}",
            "properties": [{"name": "debian:source", "value": source}],
        }
        licences = set()
        copyright = root / f"usr/share/doc/{name}/copyright"
        if copyright.exists():
            licences = set(re.findall(r"^License: *(\S.*)$", copyright.read_text(errors="replace"), re.M))
        if licences:
            part["licenses"] = [{"license": {"name": l.strip()}} for l in sorted(licences)]
        if (name, ver) in hashes:
            part["hashes"] = [{"alg": "SHA-256", "content": hashes[name, ver]}]
        yield part


def cargo(*words):
    return subprocess.run(["cargo", *words], cwd=repo, check=True, capture_output=True, text=True).stdout


def crates():
    """(name, version, licence, folder) of what is linked into the program or builds it."""
    tree = cargo("tree", "--locked", "--target", target, "-e", "normal,build", "--prefix", "none", "--format", "{p}")
    used = {tuple(l.split()[:2]) for l in tree.splitlines() if l.strip()}
    used = {(n, v.lstrip("v")) for n, v in used}
    for p in json.loads(cargo("metadata", "--locked", "--format-version", "1", "--filter-platform", target))["packages"]:
        if (p["name"], p["version"]) in used and p["source"]:
            yield p["name"], p["version"], p["license"] or "see its files", Path(p["manifest_path"]).parent


sums = {}
for block in (repo / "Cargo.lock").read_text().split("[[package]]")[1:]:
    field = dict(re.findall(r'^(\w+) = "(.*)"$', block, re.M))
    sums[field["name"], field["version"]] = field.get("checksum")

parts = sorted(debian(), key=lambda p: p["bom-ref"])
notices, texts = [], {}
for name, ver, licence, folder in sorted(crates()):
    part = {
        "type": "library", "bom-ref": f"crate:{name}@{ver}", "name": name, "version": ver, "purl": f"pkg:cargo/{name}@{ver}",
        "licenses": [{"expression": licence}] if "/" not in licence and "see" not in licence else [{"license": {"name": licence}}],
    }
    if sums.get((name, ver)):
        part["hashes"] = [{"alg": "SHA-256", "content": sums[name, ver]}]
    parts.append(part)
    marks = []
    for file in sorted(folder.iterdir()):
        if file.is_file() and re.match(r"(?i)(licen[cs]e|copying|notice|unlicense)", file.name):
            text = file.read_text(errors="replace").strip()
            mark = texts.setdefault(text, f"[{len(texts) + 1}]")
            marks.append(mark)
    notices.append(f"{name} {ver}: {licence} {' '.join(marks)}".rstrip())

share = root / "usr/share/calvaria/models"
card = (share / "v3.toml").read_text()
weights = re.search(r'^licence = "(.*)"', card, re.M).group(1)
for file in sorted(share.glob("*.safetensors*")):
    parts.append({
        "type": "machine-learning-model", "bom-ref": f"weights:{file.name}", "name": file.name,
        "licenses": [{"license": {"name": weights}}],
        "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(file.read_bytes()).hexdigest()}],
    })

bom = {
    "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
    "metadata": {"component": {"type": "operating-system", "bom-ref": "image", "name": "calvaria", "version": version}},
    "components": parts,
}
out.joinpath("sbom.cdx.json").write_text(json.dumps(bom, indent=1, ensure_ascii=False) + "\n")
head = f"""calvaria {version}: notices

The program: MIT or Apache-2.0 (LICENSE-MIT, LICENSE-APACHE beside this file).
The weights: {weights}
Debian's packages: the copyright of each lies in /usr/share/doc/PACKAGE/copyright; sources: the Debian archive, by the versions in
sbom.cdx.json.
Crates in the program, with the numbers of their licence texts below:

"""
body = "\n\n".join(f"{'=' * 100}\n{mark}\n\n{text}" for text, mark in texts.items())
out.joinpath("NOTICES.txt").write_text(head + "\n".join(notices) + "\n\n" + body + "\n")
print(f"sbom: {len(parts)} parts, {len(texts)} licence texts")
