#!/usr/bin/env python3
"""What scripts/bench makes of its figures: medians, ratios, tables, verdicts, the picture. The
figures are made up; no server runs and nothing is measured."""

import pathlib
import sys
import unittest
import xml.etree.ElementTree

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts"))
from benchmark import acceptance, comparison, measure, report, servers, svg, workloads
from benchmark.results import Results

READ = "randread-4k-qd32"


def figures(iops, cpu_us=10.0, **others):
    return {"iops": iops, "mb_s": iops / 250, "p50_us": 1, "p99_us": 2, "p999_us": 3,
            "cpu_us": cpu_us, "pss_mib": 4.0} | others


def results_of(workload, **rounds_by_server):
    """`blockd_kqueue=[...]`: a list of figures, one a round; None where a run failed."""
    results = Results()
    for server, rounds in rounds_by_server.items():
        for number, found in enumerate(rounds, 1):
            if found:
                results.add(number, workload, server.replace("_", "-"), found)
    return results


def server(name):
    return next(one for one in servers.all_servers() if one.name == name)


def workload(name):
    return next(one for one in workloads.all_workloads() if one.name == name)


class ResultsTest(unittest.TestCase):
    def test_the_median_and_the_spread_are_those_of_the_rounds(self):
        results = results_of(READ, a=[figures(100), figures(300), figures(200)])
        self.assertEqual(results.medians(READ, "a")["iops"], 200)
        self.assertEqual(results.medians(READ, "a")["spread"], 1.0)

    def test_what_was_not_measured_has_no_median(self):
        self.assertEqual(Results().medians(READ, "a"), {})

    def test_a_ratio_is_taken_inside_each_round(self):
        # The medians' ratio would be 1: the machine slowed down for both of a round.
        results = results_of(READ, a=[figures(200), figures(20), figures(100)],
                             b=[figures(100), figures(10), figures(200)])
        self.assertEqual(results.ratio(READ, "a", ["b"]), 2)

    def test_the_best_peer_is_the_fastest_of_the_round_for_its_cpu_too(self):
        results = results_of(READ, a=[figures(100, 5)], b=[figures(50, 1)], c=[figures(80, 20)])
        self.assertEqual(results.ratio(READ, "a", ["b", "c"]), 1.25)
        self.assertEqual(results.ratio(READ, "a", ["b", "c"], "cpu_us"), 0.25)

    def test_a_round_in_which_a_run_failed_is_not_compared(self):
        results = results_of(READ, a=[figures(100), figures(100)], b=[None, figures(50)])
        self.assertEqual(results.ratio(READ, "a", ["b"]), 2)
        self.assertIsNone(results.ratio(READ, "a", ["c"]))

    def test_workloads_of_one_server_are_compared_inside_each_round(self):
        results = results_of("base", a=[figures(100), figures(1000)])
        results.add(1, "busy", "a", figures(90))
        results.add(2, "busy", "a", figures(800))
        self.assertAlmostEqual(results.ratio_of_workloads("busy", "base", "a"), 0.85)


class ServersTest(unittest.TestCase):
    def test_what_a_blockd_adds_is_merged_key_by_key_and_entry_by_entry(self):
        config = {"exports": [{"name": "disk", "file": "f"}], "log": {"level": "warning"}}
        added = {"exports": [{"direct": False}], "io": {"backend": "kqueue"}}
        self.assertEqual(servers.merged(config, added), {
            "exports": [{"name": "disk", "file": "f", "direct": False}],
            "log": {"level": "warning"}, "io": {"backend": "kqueue"}})
        self.assertEqual(servers.merged([1], [2, 3]), [2, 3])

    def test_names_are_unique(self):
        for things in (servers.all_servers(), workloads.all_workloads()):
            names = [thing.name for thing in things]
            self.assertEqual(len(names), len(set(names)))

    def test_direct_servers_do_not_share_the_cached_ones_file(self):
        self.assertFalse(server("qemu-none-native").uses_page_cache)
        self.assertFalse(server("blockd-cache").uses_page_cache)
        self.assertTrue(server("nbdkit-file").uses_page_cache)


class WorkloadsTest(unittest.TestCase):
    def test_a_name_says_all_that_is_not_as_usual(self):
        one = workloads.Workload("randwrite", "4k", 1, 16, writes_per_flush=1, is_tcp=True)
        self.assertEqual(one.name, "randwrite-4k-qd1-c16-fsync1-tcp")

    def test_fio_is_told_all_of_it(self):
        arguments = workloads.fio_arguments(workload("randwrite-4k-qd32-c16-fsync32"), 2.5, 1 << 30)
        for argument in ("--rw=randwrite", "--bs=4k", "--iodepth=32", "--numjobs=16",
                         "--fsync=32", "--runtime=2500ms", f"--size={1 << 30}"):
            self.assertIn(argument, arguments)
        mixed = workloads.fio_arguments(workload("randrw70-4k-qd32"), 1, 1 << 30)
        self.assertLessEqual({"--rw=randrw", "--rwmixread=70"}, set(mixed))

    def test_a_hot_region_is_never_larger_than_the_file(self):
        hot = workload("randread-4k-qd32-hot")
        self.assertEqual(hot.region_bytes(1 << 30), 256 << 20)
        self.assertEqual(hot.region_bytes(1 << 20), 1 << 20)

    def test_who_takes_part(self):
        self.assertTrue(workload(READ).suits(server("disk")))
        self.assertFalse(workload("randread-4k-qd1-tcp").suits(server("disk")))
        self.assertFalse(workload("randread-4k-qd32-c64").suits(server("nbd-server")))
        self.assertFalse(workload("randread-4k-qd32-hot").suits(server("blockd-kqueue")))
        idle = workload("randread-4k-qd32-idle1000")
        self.assertEqual([one.name for one in servers.all_servers() if idle.suits(one)],
                         ["blockd-pagecache-io_uring", "blockd-pagecache-kqueue"])

    def test_every_quick_workload_is_one(self):
        self.assertLessEqual(workloads.QUICK_NAMES,
                             {one.name for one in workloads.all_workloads()})


class MeasureTest(unittest.TestCase):
    def side(self, requests, p99=2000):
        return {"total_ios": requests, "iops": requests / 2.0, "bw_bytes": requests * 2048,
                "clat_ns": {"percentile": {"50.000000": 1000, "99.000000": p99,
                                           "99.900000": 3000}}}

    def test_requests_are_reads_and_writes_and_latencies_are_of_those_that_are_more(self):
        report_of_fio = {"error": 0, "read": self.side(700), "write": self.side(300, 9000)}
        found = measure.figures(report_of_fio, 0.01, 2048)
        self.assertEqual(found["iops"], 500)
        self.assertEqual(found["p99_us"], 2)
        self.assertAlmostEqual(found["cpu_us"], 10)
        self.assertEqual(found["pss_mib"], 2)

    def test_the_disk_has_no_server_to_take_cpu(self):
        found = measure.figures({"error": 0, "read": self.side(1), "write": self.side(0)}, None,
                                None)
        self.assertNotIn("cpu_us", found)

    def test_a_run_without_requests_is_a_failure(self):
        with self.assertRaises(servers.Failed):
            measure.figures({"error": 0, "read": self.side(0), "write": self.side(0)}, 0, 0)


class ReportTest(unittest.TestCase):
    def test_a_table_has_columns(self):
        self.assertEqual(report.table(["a", "bb"], [["ccc", 1]]),
                         "a    bb\n---  --\nccc   1")

    def test_each_group_has_a_table_and_ratios_to_each_and_to_the_best(self):
        names = ("blockd-kqueue", "qemu-none-native", "qemu-none-threads", "disk")
        pairs = [(workload(READ), [server(name) for name in names])]
        results = results_of(READ, blockd_kqueue=[figures(120, 5)],
                             qemu_none_native=[figures(100)], qemu_none_threads=[figures(60)])
        disk = figures(150)
        del disk["cpu_us"], disk["pss_mib"]
        results.add(1, READ, "disk", disk)
        text = report.text(results, pairs, 1)
        self.assertIn("randread-4k-qd32, direct, one round", text)
        self.assertRegex(text, r"blockd-kqueue +120 .* 1\.20 +0\.50\n")
        self.assertIn("to those of: qemu-none-native 1.20 (0.50), qemu-none-threads 2.00 (0.50),"
                      " disk 0.80", text)
        ratios = report.ratios_by_workload(results, pairs)[READ]["blockd-kqueue"]
        self.assertEqual(ratios["best"], [1.2, 0.5])
        self.assertEqual(ratios["disk"], [0.8, None])

    def test_idle_connections_are_told_by_what_they_cost(self):
        base, busy = workload(acceptance.IDLE_BASE), workload(acceptance.IDLE)
        ours = server("blockd-pagecache-kqueue")
        results = results_of(base.name, blockd_pagecache_kqueue=[figures(100)])
        results.add(1, busy.name, ours.name, figures(96, pss_per_idle_kib=20.0))
        self.assertIn("0.96 of the IOPS without idle connections, 20.0 KiB for each of them",
                      report.text(results, [(base, [ours]), (busy, [ours])], 1))


class AcceptanceTest(unittest.TestCase):
    def verdicts(self, results):
        return {row[0]: row[1:] for row in acceptance.judge(acceptance.all_targets(), results)}

    def test_every_target_names_workloads_and_servers_that_exist(self):
        known_workloads = {one.name for one in workloads.all_workloads()}
        known_servers = {one.name for one in servers.all_servers()}
        for target in acceptance.all_targets():
            self.assertLessEqual({target.workload, target.base or READ}, known_workloads)
            self.assertLessEqual({*target.ours, *target.peers}, known_servers)

    def test_iops_are_a_least_and_cpu_is_a_most(self):
        results = results_of(READ, blockd_kqueue=[figures(120, 5)],
                             qemu_none_native=[figures(100, 10)], disk=[figures(170)])
        verdicts = self.verdicts(results)
        self.assertEqual(verdicts[READ + ": IOPS to the best peer"], [">= 1.2", "1.20", "reached"])
        self.assertEqual(verdicts[READ + ": CPU per request to the best peer"],
                         ["<= 0.4", "0.50", "short"])
        self.assertEqual(verdicts[READ + ": share of the disk's IOPS"],
                         [">= 0.75", "0.71", "short"])

    def test_what_was_not_measured_is_not_reached(self):
        self.assertEqual({row[2] for row in self.verdicts(Results()).values()}, {"not measured"})

    def test_only_the_first_of_ours_that_can_run_is_measured(self):
        able = [server(name) for name in ("blockd-kqueue", "qemu-none-native", "disk",
                                          "blockd-pagecache-kqueue", "nbdkit-file")]
        pairs = acceptance.plan(acceptance.all_targets(), workloads.all_workloads(), able)
        taking_part = {one.name: [member.name for member in members] for one, members in pairs}
        self.assertEqual(taking_part[READ], ["blockd-kqueue", "qemu-none-native", "disk"])
        self.assertEqual(taking_part[acceptance.IDLE_BASE], ["blockd-pagecache-kqueue"])
        self.assertNotIn("randread-4k-qd128-hot", taking_part)  # No cache of its own, no peers.
        self.assertNotIn("read-1m-qd8", taking_part)


class PictureTest(unittest.TestCase):
    def test_it_is_well_formed_and_has_two_bars_for_each_server(self):
        names = ("blockd-kqueue", "qemu-none-native", "disk")
        pairs = comparison.plan([workload(READ)], [server(name) for name in names])
        results = results_of(READ, blockd_kqueue=[figures(120000, 5)],
                             qemu_none_native=[figures(100000, 10)], disk=[figures(170000)])
        blocks = svg.blocks(results, pairs)
        self.assertEqual([line[:4] for line in blocks[0][1]], [
            ("blockd-kqueue", True, 120000, 1.2), ("qemu-none-native", False, 100000, None)])
        picture = svg.draw(blocks, "1 < 2 & so on")
        tree = xml.etree.ElementTree.fromstring(picture)
        space = "{http://www.w3.org/2000/svg}"
        self.assertEqual(len(tree.findall(space + "rect")), 4)
        self.assertIn("120 k (1.20)", [text.text for text in tree.findall(space + "text")])
        self.assertIn("prefers-color-scheme: dark", picture)

    def test_numbers_are_short(self):
        self.assertEqual([svg.short_number(value) for value in (3.256, 950, 12345, 2.5e6)],
                         ["3.26", "950", "12.3 k", "2.5 M"])


unittest.main()
