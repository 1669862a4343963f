"""A disk as POSIX promises it, and no better: fed with the journal of tests/power/recorder.c it knows, at every entry, what has
been asked of each file and directory, and what of it a sync made certain. From that it builds what may be found after a power cut.

A sync of a file makes its contents certain, not its name; the sync of a directory its names. All else may have happened or not,
in any order, and a write may be there in part (in sectors of 512 bytes); a file may have grown without what was written there."""
import os
import struct

ENTRY = struct.Struct("=IHHiiQQ")
(OPEN, CLOSE, WRITE, SYNC_BEGIN, SYNC_END, SIZE, GROW, RENAME, UNLINK, MKDIR, RMDIR, UNSEEN, NOTE) = range(1, 14)
SECTOR = 512
ALONE = 2  # the sync of one write by a descriptor that syncs each

# What is kept of that which is not certain: contents of files, names in directories, and whether the last write is torn.
MODES = {
    "all": ("all", "all", False),          # just before the cut everything had reached the disk
    "torn": ("all", "all", True),
    "dropped": ("none", "none", False),    # nothing that was not synced
    "contents": ("all", "none", False),
    "names": ("none", "all", False),
    "some": ("some", "some", True),
    "reordered": ("shuffled", "prefix", True),
}


class File:
    def __init__(self, data=b""):
        self.now, self.certain = bytearray(data), bytearray(data)
        self.issued, self.pending = 0, []  # (number, kind, offset, data): not certain yet

    def ask(self, kind, offset, data=b""):
        self.pending.append((self.issued, kind, offset, data))
        self.issued += 1
        apply(self.now, kind, offset, data)

    def synced(self, below, alone=None):
        left = []
        for op in self.pending:
            if op[0] == alone if alone is not None else op[0] < below:
                apply(self.certain, *op[1:])
            else:
                left.append(op)
        self.pending = left

    def found(self, how, torn, dice):
        """What is in it after the cut; torn: the number of the write that was on its way, or None."""
        if not self.pending or (how == "all" and torn is None):
            return self.now
        if how == "none":
            return self.certain
        data, ops = bytearray(self.certain), list(self.pending)
        if how == "shuffled":
            dice.shuffle(ops)
        for number, kind, offset, part in ops:
            keep = how == "all" or dice.random() < (0.5 if how == "some" else 0.8)
            if keep and (number == torn or (how == "some" and dice.random() < 0.2)):
                tear(data, kind, offset, part, dice)
            elif keep:
                apply(data, kind, offset, part)
            elif kind == WRITE and dice.random() < 0.3:  # its length got there, it did not
                apply(data, GROW, offset + len(part))
        return data


def apply(data, kind, offset, part=b""):
    if kind == SIZE:
        del data[offset:]
    end = offset + len(part)
    if len(data) < end:
        data.extend(bytes(end - len(data)))
    if part:
        data[offset:end] = part


def tear(data, kind, offset, part, dice):
    """A beginning of it, or some of its sectors."""
    if kind != WRITE:
        return apply(data, kind, offset, part)
    first = SECTOR - offset % SECTOR  # where the second sector begins
    cuts = [0] + list(range(first, len(part), SECTOR)) + [len(part)]
    pieces = list(zip(cuts, cuts[1:]))
    if dice.random() < 0.5:
        pieces = pieces[:dice.randrange(len(pieces))] if len(pieces) > 1 else pieces[:dice.randrange(2)]
    else:
        pieces = [piece for piece in pieces if dice.random() < 0.5]
    for begin, end in pieces:
        apply(data, WRITE, offset + begin, part[begin:end])


class Directory:
    def __init__(self):
        self.now, self.certain = {}, {}
        self.issued, self.pending = 0, []  # (number, {name: what, or None})

    def ask(self, names):
        self.pending.append((self.issued, names))
        self.issued += 1
        rename(self.now, names)

    def synced(self, below, _alone=None):
        for number, names in self.pending:
            if number < below:
                rename(self.certain, names)
        self.pending = [op for op in self.pending if op[0] >= below]

    def found(self, how, dice):
        if how == "all" or not self.pending:
            return self.now
        names = dict(self.certain)
        stop = dice.randrange(len(self.pending) + 1)
        for i, (_, change) in enumerate(self.pending):
            if how == "some" and dice.random() < 0.5 or how == "prefix" and i < stop:
                rename(names, change)
        return names


def rename(names, change):
    for name, what in change.items():
        if what is None:
            names.pop(name, None)
        else:
            names[name] = what


class Disk:
    def __init__(self, root):
        """What stands below `root` now is certain."""
        self.root, self.top = root, Directory()
        self.open, self.begun = {}, {}  # (pid, fd) -> what; -> its number when the sync began
        self.last = None                # (file, number) of the last write, while it may be on its way
        self.marks = self.syncs = self.writes = 0
        self.load(root, self.top)

    def load(self, place, directory):
        for entry in os.scandir(place):
            if entry.is_dir():
                what = Directory()
                self.load(entry.path, what)
            elif entry.is_file():
                with open(entry.path, "rb") as file:
                    what = File(file.read())
            else:
                continue  # a socket
            directory.now[entry.name] = directory.certain[entry.name] = what

    def parent(self, path):
        """(directory, name), or (None, name) where there is none."""
        parts = os.path.relpath(path, self.root).split("/")
        at = self.top
        for part in parts[:-1]:
            at = at.now.get(part) if isinstance(at, Directory) else None
        return at if isinstance(at, Directory) else None, parts[-1]

    def what(self, path):
        directory, name = self.parent(path)
        return self.top if name == "." else directory.now.get(name) if directory else None

    def take(self, kind, pid, fd, offset, arg, path, data):
        at = (pid, fd)
        if kind == OPEN:
            self.opened(at, arg, path)
        elif kind == CLOSE:
            self.open.pop(at, None)
        elif kind in (WRITE, SIZE, GROW):
            file = self.what(path) if path else self.open[at]
            self.last = (file, file.issued) if kind == WRITE else None
            self.writes += kind == WRITE
            file.ask(kind, offset, data)
        elif kind == SYNC_BEGIN:
            self.begun[at] = self.open[at].issued
        elif kind == SYNC_END:
            below = self.begun.pop(at)
            if not arg & 1:
                self.open[at].synced(below, below - 1 if arg & ALONE else None)
                self.syncs += 1
        elif kind == UNSEEN:
            raise AssertionError(f"{path}: {data.decode()}: the recorder does not see what is written there")
        else:
            self.named(kind, path)

    def opened(self, at, arg, path):
        directory, name = self.parent(path)
        there = self.what(path)
        if there is None:
            assert directory is not None and arg & 1, f"{path} is open, and the journal does not know it"
            there = File()
            directory.ask({name: there})
        elif arg & 2 and there.now:
            there.ask(SIZE, 0)
        self.open[at] = there

    def named(self, kind, path):
        path, _, to = path.partition("\0")
        directory, name = self.parent(path)
        there = self.what(path)
        if kind == MKDIR and directory is not None and there is None:
            directory.ask({name: Directory()})
        elif kind == UNLINK and isinstance(there, File):
            directory.ask({name: None})
        elif kind == RMDIR and isinstance(there, Directory) and not there.now:
            directory.ask({name: None})
        elif kind == RENAME and there is not None:
            other, new = self.parent(to)
            assert other is directory, "a rename across directories"
            directory.ask({name: None, new: there})

    def build(self, place, mode, dice):
        """Writes what may be found into the folder `place`, which must be empty."""
        files, names, torn = MODES[mode]
        self.fill(place, self.top, files, names, self.last if torn else None, dice)

    def fill(self, place, directory, files, names, torn, dice):
        for name, what in directory.found(names, dice).items():
            path = os.path.join(place, name)
            if isinstance(what, Directory):
                os.mkdir(path)
                self.fill(path, what, files, names, torn, dice)
            else:
                number = torn[1] if torn and torn[0] is what else None
                with open(path, "wb") as out:
                    out.write(what.found(files, number, dice))


def entries(journal):
    """(offset of its end, kind, pid, fd, offset, arg, path, data) of each; `journal` is its bytes."""
    at = 0
    while at + ENTRY.size <= len(journal):
        size, kind, path_size, pid, fd, offset, arg = ENTRY.unpack_from(journal, at)
        at += ENTRY.size
        path = bytes(journal[at:at + path_size]).decode()
        yield at + size, kind, pid, fd, offset, arg, path, bytes(journal[at + path_size:at + size])
        at += size


def note(fd, kind, path="", data=b""):
    """An entry of the test's own, as the recorder would append it. Returns nothing: its place is found when it is read."""
    name = path.encode()
    os.write(fd, ENTRY.pack(len(name) + len(data), kind, len(name), os.getpid(), -1, 0, 0) + name + data)
