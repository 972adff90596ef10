// Programs that a test runs, to their end or until the test ends.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace blockd::support {

// Where a shell would find it; empty when it is not installed. A name with a slash is itself.
std::string find_program(const std::string& name);

// A child process whose stdin is a file and whose stdout and stderr go to files. Killed, by its
// process id, when it is still there at the end.
class Program {
  public:
    struct Files {
        std::string input = "/dev/null";
        std::string output = "/dev/null";
        std::string errors = "/dev/null";
    };

    // words[0] is the program.
    Program(const std::vector<std::string>& words, const Files& files);
    ~Program();
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;

    bool is_running();
    void signal(int number) const;

    // Its exit status, or 128 + the signal that ended it; empty when it has not ended in time.
    std::optional<int> wait();

  private:
    pid_t process_ = -1;
    std::optional<int> status_;
};

// Whether a server greets its clients on that unix socket, or on that port of 127.0.0.1.
bool is_listening(const std::string& socket_path);
bool is_listening(uint16_t port);

}  // namespace blockd::support
