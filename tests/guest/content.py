"""What a version of a file holds, as the guest's init makes it: each line tells its place."""

LINE_SIZE = 128


def content(name, version, size):
    count = (size + LINE_SIZE - 1) // LINE_SIZE
    lines = (f"{f'{name} {version} {line:08d}':<{LINE_SIZE - 1}}\n" for line in range(count))
    return "".join(lines).encode()[:size]
