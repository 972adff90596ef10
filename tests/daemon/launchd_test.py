#!/usr/bin/env python3
"""The launchd property lists parse, and say what launchd.plist(5) wants of a storage daemon.

Arguments: the LaunchDaemon, the LaunchAgent, the default config.
"""

import json
import plistlib
import sys

KNOWN_KEYS = {
    "Label", "ProgramArguments", "UserName", "WorkingDirectory", "RunAtLoad", "KeepAlive",
    "ThrottleInterval", "ProcessType", "LowPriorityIO", "ExitTimeOut", "Umask",
    "StandardErrorPath",
}


def grace_seconds(path):
    with open(path, encoding="utf-8") as file:
        text = json.load(file)["limits"]["shutdown_grace"]
    assert text.endswith("s") and text[:-1].isdigit(), text
    return int(text[:-1])


def problems_of(plist, path, grace):
    def check(holds, problem):
        if not holds:
            yield f"{path}: {problem}"

    arguments = plist.get("ProgramArguments", [])
    file_name = path.rsplit("/", 1)[-1]
    yield from check(set(plist) <= KNOWN_KEYS, f"unknown keys {set(plist) - KNOWN_KEYS}")
    yield from check(plist.get("Label", "") + ".plist" == file_name, "Label and file name differ")
    yield from check(len(arguments) == 3 and arguments[0].endswith("/blockd")
                     and arguments[1] == "--config", "it must run blockd --config FILE")
    yield from check(all(word.startswith("/") for word in arguments[::2]),
                     "launchd expands nothing: paths are absolute")
    yield from check(plist.get("ProcessType") == "Interactive",
                     "ProcessType must be Interactive: unset means throttled")
    yield from check(plist.get("LowPriorityIO") is False, "LowPriorityIO must be false")
    yield from check(plist.get("ExitTimeOut", 0) >= grace + 20,
                     "ExitTimeOut must leave time for shutdown_grace and the last sync")
    yield from check("EnableTransactions" not in plist,
                     "EnableTransactions lets launchd kill a daemon without XPC transactions")
    yield from check(plist.get("KeepAlive") == {"SuccessfulExit": False},
                     "KeepAlive must restart after failures only")
    yield from check(plist.get("RunAtLoad") is True, "RunAtLoad must be true")
    yield from check(plist.get("StandardErrorPath", "").startswith("/"),
                     "the log on stderr needs StandardErrorPath")


def main():
    daemon_path, agent_path, config_path = sys.argv[1:]
    grace = grace_seconds(config_path)
    problems = []
    for path in (daemon_path, agent_path):
        with open(path, "rb") as file:
            plist = plistlib.load(file, fmt=plistlib.FMT_XML)
        problems += problems_of(plist, path, grace)
        has_user = "UserName" in plist
        if has_user != (path == daemon_path):
            problems.append(f"{path}: UserName belongs into the LaunchDaemon, and only there")
    print("\n".join(problems))
    sys.exit(1 if problems else 0)


main()
