// Another project's NBD server, run as a program, for as long as the object lives.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

namespace blockd::client {

class ForeignServer {
  public:
    // `words` are the program's name, which PATH finds, and its arguments. Its output goes to
    // `log_path`.
    ForeignServer(const std::vector<std::string>& words, const std::string& log_path);
    ForeignServer(const ForeignServer&) = delete;
    ForeignServer& operator=(const ForeignServer&) = delete;
    ~ForeignServer();

    static bool is_installed(const std::string& program);

  private:
    pid_t process_ = -1;
};

}  // namespace blockd::client
