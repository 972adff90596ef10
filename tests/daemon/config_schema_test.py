#!/usr/bin/env python3
"""The published schema says of every document what blockd's parser says of its form.

Arguments: the schema, the documents that config_reader_test.cc feeds to the parser, and the
default config.
"""

import json
import sys

try:
    import jsonschema
except ImportError:
    print("skipped: this python3 has no jsonschema")
    sys.exit(77)


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def main():
    schema = load(sys.argv[1])
    documents = load(sys.argv[2])
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)

    failures = []
    for entry in documents:
        expected = entry["verdict"] != "wrong form"
        if validator.is_valid(entry["document"]) != expected:
            failures.append(f"{entry['name']}: {entry['verdict']}, but the schema "
                            f"{'refuses' if expected else 'accepts'} it")
    for error in validator.iter_errors(load(sys.argv[3])):
        failures.append(f"the default config: {error.message}")

    print("\n".join(failures))
    print(f"{len(documents)} documents, {len(failures)} failures")
    sys.exit(1 if failures else 0)


main()
