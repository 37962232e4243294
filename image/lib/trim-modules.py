"""Takes all kernel modules out of a tree but the named ones and what they depend on: trim-modules.py DIR NAME ..."""
import os, sys

tree, names = sys.argv[1], {n.replace("-", "_") for n in sys.argv[2:]}
plain = lambda path: os.path.basename(path).split(".ko")[0].replace("-", "_")
needs = {}
for line in open(os.path.join(tree, "modules.dep")):
    path, _, rest = line.partition(":")
    needs[path] = rest.split()
by_name = {plain(p): p for p in needs}
built_in = {plain(l.strip()) for l in open(os.path.join(tree, "modules.builtin"))}
soft = {}
for line in open(os.path.join(tree, "modules.softdep")):
    words = line.split()
    if words[:1] == ["softdep"]:
        soft.setdefault(words[1].replace("-", "_"), []).extend(w.replace("-", "_") for w in words[2:] if not w.endswith(":"))
keep, ask = set(), [by_name[n] for n in sorted(names) if n in by_name]
while ask:
    path = ask.pop()
    if path in keep:
        continue
    keep.add(path)
    ask += needs[path]
    ask += [by_name[n] for n in soft.get(plain(path), []) if n in by_name]
for path in needs:
    if path not in keep:
        os.remove(os.path.join(tree, path))
for folder, _, _ in os.walk(tree, topdown=False):
    if folder != tree and not os.listdir(folder):
        os.rmdir(folder)
gone = sorted(n for n in names if n not in by_name and n not in built_in)
print(f"kernel modules: {len(keep)} of {len(needs)} kept; not in this kernel: {' '.join(gone) or 'none'}")
