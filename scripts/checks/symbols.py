#!/usr/bin/env python3
"""The libraries of nbd, storage and server import no system call, clock or random symbol.

    symbols.py BUILD

A simulated world can drive them only as long as all that they know of the real one comes through
the loop. What they may import is listed here; anything else is a complaint.
"""
import pathlib
import re
import subprocess
import sys

pure_layers = ("nbd", "storage", "server")

# Memory, strings, the way out of a failed assertion, and a mutex: on one thread it changes nothing.
allowed_c = re.compile(
    r"^(mem(cpy|move|set|cmp|chr)|strlen|strcmp|strncmp|strchr|strnlen|strerror|v?snprintf|abort"
    r"|fprintf|stderr|malloc|free|aligned_alloc|posix_memalign|pthread_mutex_(un)?lock"
    r"|__(mem(cpy|move|set)|v?snprintf|fprintf)_chk"
    r"|__stack_chk_fail|__assert_fail|_GLOBAL_OFFSET_TABLE_|__dso_handle|__tls_get_addr"
    r"|__cxa_\w+|__gxx_personality_v0|_Unwind_Resume|__dynamic_cast"
    r"|__(asan|ubsan|tsan)_\w+|__atomic_\w+|__\w+(ti|di)[23])$")

forbidden_cpp = re.compile(
    r"^(std::(chrono::_V2::\w+_clock::now|random_device|thread|this_thread|condition_variable"
    r"|basic_[io]?fstream|basic_filebuf|filesystem|__basic_file|locale::classic)"
    r"|(nlohmann|spdlog|boost|fmt)::)")


def undefined(library):
    """(object, mangled, demangled) for what the objects of a library want and do not define."""
    def listing(*options):
        return subprocess.run(["nm", "-A", *options, str(library)], check=True,
                              capture_output=True, text=True).stdout.splitlines()

    defined = {line.split()[-1] for line in listing("--defined-only")}
    wanted = [line.rsplit(None, 2) for line in listing("-u")]
    names = [entry[-1] for entry in wanted]
    plain = subprocess.run(["c++filt"], input="\n".join(names), check=True,
                           capture_output=True, text=True).stdout.splitlines()
    for entry, name, demangled in zip(wanted, names, plain):
        if name not in defined:
            yield entry[0].split(":")[1], name, demangled


def main():
    build = pathlib.Path(sys.argv[1])
    complaints = []
    for layer in pure_layers:
        for library in sorted((build / "src" / layer).glob("*.a")):
            for source, name, demangled in undefined(library):
                is_cpp = name.startswith("_Z")
                if forbidden_cpp.match(demangled) if is_cpp else not allowed_c.match(name):
                    complaints.append(f"src/{layer}: {source} imports {demangled}")
    for complaint in sorted(set(complaints)):
        print(complaint)
    return 1 if complaints else 0


sys.exit(main())
