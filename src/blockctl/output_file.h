// A local file that is about to be overwritten: opened as it is, and owned before a byte of it
// changes. A running blockd owns its data files by the same lock.
#pragma once

#include <string>

namespace blockd::blockctl {

struct OutputFile {
    int fd = -1;            // Closed in children; the caller's, also when there is a complaint.
    bool is_new = false;    // Made by this call.
    std::string complaint;  // Empty when all went well, else what did not.
};

// `access` is O_WRONLY or O_RDWR. The file is made when it is missing, and never emptied.
OutputFile open_output_file(const std::string& path, int access);

}  // namespace blockd::blockctl
