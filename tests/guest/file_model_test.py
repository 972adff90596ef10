#!/usr/bin/env python3
"""The model that judges what is left in a guest: what it must take, and what it must not."""

import hashlib
import unittest

from file_model import ABSENT, FileModel


def checksum(model, name, version):
    return hashlib.sha256(model.content(name, version)).hexdigest()


class FileModelTest(unittest.TestCase):
    def setUp(self):
        self.model = FileModel()

    def promise(self, how, size=100):
        version = self.model.begin("a", how, size)
        self.model.succeed("a")
        return checksum(self.model, "a", version) if version else None

    def cut_off(self, how, size=100):
        version = self.model.begin("a", how, size)
        self.model.forget_changes()
        return checksum(self.model, "a", version) if version else None

    def test_a_promised_file_must_be_there_and_whole(self):
        content = self.promise("create")
        self.assertEqual(self.model.promised(), {"a": 1})
        self.assertEqual(self.model.judge({"a": content}), [])
        self.assertEqual(self.model.judge({}), ["a is absent; it must be version 1"])

    def test_a_fault_tells_that_blockd_was_gone_when_it_was_promised(self):
        self.model.begin("a", "create", 100)
        self.model.succeed("a", is_late=True)
        self.assertEqual(self.model.judge({}), [
            "a is absent; it must be version 1, promised after blockd was killed"])

    def test_other_content_is_not_the_promised_one(self):
        self.promise("create")
        self.assertEqual(self.model.judge({"a": "0"}),
                         ["a is what nobody wrote; it must be version 1"])

    def test_an_older_version_is_not_the_promised_one(self):
        for how in ("replace", "overwrite"):
            with self.subTest(how):
                self.model = FileModel()
                old = self.promise("create")
                self.promise(how)
                self.assertEqual(self.model.judge({"a": old}),
                                 ["a is version 1; it must be version 2"])

    def test_a_removed_file_must_not_come_back(self):
        content = self.promise("create")
        self.promise("remove")
        self.assertEqual(self.model.promised(), {})
        self.assertEqual(self.model.judge({"a": content}), ["a is version 1; it must be absent"])

    def test_a_file_that_nobody_made_is_a_fault(self):
        self.assertEqual(self.model.judge({"b": "0"}),
                         ["b is what nobody wrote; it must be absent"])

    def test_an_atomic_change_that_was_cut_off_is_done_or_not(self):
        for how in ("replace", "remove"):
            for is_done in (False, True):
                with self.subTest(how, is_done=is_done):
                    self.model = FileModel()
                    old = self.promise("create")
                    new = self.cut_off(how)
                    content = new if is_done else old
                    self.assertEqual(self.model.judge({"a": content} if content else {}), [])

    def test_an_atomic_change_that_was_cut_off_leaves_nothing_else(self):
        self.promise("create")
        self.cut_off("replace")
        self.assertEqual(self.model.judge({"a": "0"}),
                         ["a is what nobody wrote; it must be version 1 or version 2"])

    def test_what_was_found_is_what_must_be_there_from_then_on(self):
        old = self.promise("create")
        new = self.cut_off("replace")
        self.assertEqual(self.model.judge({"a": new}), [])
        self.assertEqual(self.model.judge({"a": old}), ["a is version 1; it must be version 2"])

    def test_an_overwrite_that_was_cut_off_leaves_anything(self):
        self.promise("create")
        self.cut_off("overwrite")
        self.assertEqual(self.model.judge({"a": "0"}), [])
        self.assertIsNone(self.model.state("a"))
        self.assertEqual(self.model.promised(), {})

    def test_a_file_that_may_be_anything_is_promised_anew(self):
        self.cut_off("create")
        self.assertEqual(self.model.judge({"a": "0"}), [])
        content = self.promise("replace")
        self.assertEqual(self.model.judge({"a": "0"}),
                         ["a is what nobody wrote; it must be version 2"])
        self.assertEqual(self.model.judge({"a": content}), [])

    def test_versions_differ_in_content(self):
        first = self.promise("create", 64)
        self.assertNotEqual(first, self.promise("replace", 64))

    def test_a_file_under_change_has_no_known_state(self):
        self.assertEqual(self.model.state("a"), ABSENT)
        self.model.begin("a", "create", 64)
        self.assertIsNone(self.model.state("a"))


unittest.main()
