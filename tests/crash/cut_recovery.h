// The daemon after the cut: the real blockd on disks that a power cut left, read back over NBD.
#pragma once

#include <string>
#include <vector>

#include "support/record_reader.h"
#include "support/temporary_directory.h"

namespace blockd::crash {

struct Recovery {
    std::string fault;                // Why there is none.
    std::vector<std::string> images;  // What clients read.
    std::vector<std::string> disks;   // What lies on the disk afterwards.
    support::Record record;           // Of its start and of the reading.
};

// Starts one daemon that serves each image as the export with its index for a name, reads all of
// them, and kills the daemon. `folder` is empty, and is empty again afterwards. At most 1024.
Recovery recover(const support::TemporaryDirectory& folder, const std::vector<std::string>& images);

}  // namespace blockd::crash
