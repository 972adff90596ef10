"""The project's files as git sees them: tracked, and new ones that are not ignored."""
import pathlib
import subprocess

root = pathlib.Path(__file__).resolve().parents[2]


def project_files():
    """Paths relative to the root, sorted."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root, check=True, capture_output=True, text=True).stdout
    names = sorted({name for name in listing.split("\0") if name})
    return [pathlib.PurePosixPath(name) for name in names if (root / name).is_file()]


def sources():
    return [path for path in project_files() if path.suffix in (".h", ".cc")]


def text_of(path):
    """None when the file is not text."""
    try:
        return (root / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def report(complaints):
    """Prints them; returns the exit code."""
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0
