"""What a disk holds after a power cut.

  cut.py count LOG                       entries of the log
  cut.py moments LOG FROM TO N SEED [FIRST LAST ...]   N entries between FROM and TO, of those that write into sectors FIRST to
                                         LAST, or any of several such pairs
  cut.py make LOG DISK MOMENT SEED       lays what was on the disk at that moment over DISK (a copy of the disk before the run)

LOG is what QEMU's blklogwrites wrote (the format of dm-log-writes). What was flushed before the moment is there. Of what was
written since the last flush each write is there, or not, or its first sectors alone, as the seed has it: a disk promises no more.
"""
import random, struct, sys

FLUSH, FUA, DISCARD = 1, 2, 4


def entries(path):
    with open(path, "rb") as log:
        magic, _, count, size = struct.unpack("<QQQI", log.read(28))
        assert magic == 0x6A736677736872, "no such log"
        log.seek(0, 2)
        end = log.tell()
        at = size
        for _ in range(count):
            log.seek(at)
            sector, sectors, flags, _ = struct.unpack("<QQQQ", log.read(32))
            at += size
            data = at
            if not flags & DISCARD:
                at += sectors * size
            if at > end:
                return
            yield sector * size, sectors * size, flags, data


def make(path, disk, moment, seed):
    draw = random.Random(seed)
    all_of = list(entries(path))[: moment + 1]
    sure = max((i for i, e in enumerate(all_of) if e[2] & FLUSH), default=-1)
    with open(path, "rb") as log, open(disk, "r+b") as out:
        for i, (to, length, flags, data) in enumerate(all_of):
            if not length:
                continue
            keep = length
            if i > sure and not flags & FUA:
                keep = draw.choice([0, length, draw.randrange(0, length + 1, 512)])
            out.seek(to)
            if flags & DISCARD:
                left = keep
                while left:
                    left -= out.write(bytes(min(left, 1 << 20)))
            else:
                log.seek(data)
                out.write(log.read(keep))
    print(f"moment {moment}: {len(all_of) - 1 - sure} writes since the last flush")


what = sys.argv[1]
if what == "count":
    print(sum(1 for _ in entries(sys.argv[2])))
elif what == "moments":
    start, end, number, seed = (int(a) for a in sys.argv[3:7])
    at = [int(a) * 512 for a in sys.argv[7:]] or [0, 1 << 62]
    ranges = list(zip(at[::2], at[1::2]))

    def hit(e):
        return e[1] and any(e[0] < last and first < e[0] + e[1] for first, last in ranges)

    of = [i for i, e in enumerate(entries(sys.argv[2])) if start <= i < end and hit(e)]
    print(*sorted(random.Random(seed).sample(of, min(number, len(of)))))
else:
    make(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
