// The memory of the simulated server: a process that is killed takes all of its memory along.
//
// While a scope InsideOfServer is open, operator new takes from one region, and what is taken there
// is given back only by end_of_server_memory(): so a server can vanish in the middle of anything,
// without a destructor that asserts that it ended in order. OutsideOfServer nests in it, for the
// world that the server calls into. One thread.
//
// Under a sanitizer nothing of this is so: a killed server's memory is lost, and every use after a
// free is seen.
#pragma once

namespace blockd::simulation {

class InsideOfServer {
  public:
    InsideOfServer();
    ~InsideOfServer();
    InsideOfServer(const InsideOfServer&) = delete;
    InsideOfServer& operator=(const InsideOfServer&) = delete;
};

class OutsideOfServer {
  public:
    OutsideOfServer();
    ~OutsideOfServer();
    OutsideOfServer(const OutsideOfServer&) = delete;
    OutsideOfServer& operator=(const OutsideOfServer&) = delete;

  private:
    [[maybe_unused]] bool was_inside_;  // Unused under a sanitizer.
};

void end_of_server_memory();

}  // namespace blockd::simulation
