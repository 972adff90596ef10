// A data file on the fake macOS.
#pragma once

#include "io/fake_darwin/darwin.h"

#include <blockd/io/data_file.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>

namespace blockd::io::fake_darwin {

inline constexpr uint64_t disk_size = 1048576;

inline DataFileOptions to_format() {
    return {.path = "disk.img", .purpose = DataFilePurpose::format, .size = disk_size};
}

inline DataFileOptions to_open() { return {.path = "disk.img", .purpose = DataFilePurpose::open}; }

inline void add_disk(Darwin& darwin) {
    darwin.files["disk.img"] = {.size = disk_size, .reserved_size = disk_size};
}

inline void expect_nothing_left_behind(const Darwin& darwin) {
    EXPECT_THAT(darwin.files, ::testing::ElementsAre(::testing::Key(".")));
    EXPECT_THAT(darwin.open_files, ::testing::IsEmpty());
}

}  // namespace blockd::io::fake_darwin
