"""What may be found in the guest's file system: of every file, what was promised and what else.

A change is under way from begin() to succeed(). What it makes of the file meanwhile is allowed
besides what was there before; once the guest said that it is durable, only the new state is.
"""

import hashlib

from content import content

ABSENT = 0  # In the place of a version; versions count from 1.
ANYTHING = frozenset({"anything"})  # In the middle of a change that is not atomic.

HOWS = ("create", "replace", "overwrite", "remove")


class FileModel:
    def __init__(self):
        self.allowed = {}
        self.sizes = {}      # (name, version): size
        self.under_way = {}  # name: version, or ABSENT
        self.promises = 0
        self.late = set()    # Promised when blockd was no longer there.

    def state(self, name):
        """ABSENT, a version, or None when that is not known."""
        allowed = self.allowed.get(name, {ABSENT})
        if len(allowed) != 1 or allowed is ANYTHING or name in self.under_way:
            return None
        return next(iter(allowed))

    def begin(self, name, how, size=0):
        """Returns the version that the file will have."""
        assert how in HOWS and name not in self.under_way
        before = self.allowed.get(name, {ABSENT})
        version = ABSENT
        if how != "remove":
            version = 1 + sum(1 for other, _ in self.sizes if other == name)
            self.sizes[name, version] = size
        is_atomic = how in ("replace", "remove") and before is not ANYTHING
        self.allowed[name] = before | {version} if is_atomic else ANYTHING
        self.under_way[name] = version
        return version

    def succeed(self, name, is_late=False):
        self.allowed[name] = {self.under_way.pop(name)}
        self.promises += 1
        (self.late.add if is_late else self.late.discard)(name)

    def forget_changes(self):
        """The guest is gone: what was under way stays as it is."""
        self.under_way.clear()

    def promised(self):
        """{name: version} of the files that must be there, and be whole."""
        states = {name: self.state(name) for name in self.allowed}
        return {name: version for name, version in states.items() if version}

    def content(self, name, version):
        return content(name, version, self.sizes[name, version])

    def judge(self, found):
        """Complaints about {name: checksum}, which from now on is what the files are."""
        assert not self.under_way
        complaints = []
        for name in sorted(set(found) | set(self.allowed)):
            state = self._identify(name, found.get(name))
            allowed = self.allowed.get(name, {ABSENT})
            if allowed is not ANYTHING and state not in allowed:
                wanted = " or ".join(map(_text, sorted(allowed)))
                when = ", promised after blockd was killed" if name in self.late else ""
                complaints.append(f"{name} is {_text(state)}; it must be {wanted}{when}")
            self.allowed[name] = ANYTHING if state is None else {state}
        return complaints

    def _identify(self, name, found):
        """The state of a file with that checksum; None for what no version has."""
        if found is None:
            return ABSENT
        versions = [version for other, version in self.sizes if other == name]
        for version in reversed(versions):
            if hashlib.sha256(self.content(name, version)).hexdigest() == found:
                return version
        return None


def _text(state):
    if state is None:
        return "what nobody wrote"
    return "absent" if state == ABSENT else f"version {state}"
