#include "io/listen_socket.h"

#include "io/os_error.h"
#include "io/socket.h"

#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <netinet/in.h>
#include <string>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace blockd::io {
namespace {

// close(2) keeps the errno that is about to be reported.
Error closed_with(Fd socket, int os_errno, const char* during) {
    ::close(static_cast<int>(socket));
    return error_from_errno(os_errno, during);
}

int bind_to(Fd socket, const Address& address) {
    const int status =
        ::bind(static_cast<int>(socket), static_cast<const struct sockaddr*>(address.sockaddr()),
               static_cast<socklen_t>(address.sockaddr_size()));
    return status == 0 ? 0 : errno;
}

// A server that is alive accepts; a path that nobody listens on any more refuses.
bool is_stale(const Address& address) {
    struct stat status {};
    if (::lstat(address.path().c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return false;
    const Result<Fd> probe = open_stream_socket(AddressFamily::unix_path);
    if (!probe) return false;
    const int connected =
        ::connect(static_cast<int>(*probe), static_cast<const struct sockaddr*>(address.sockaddr()),
                  static_cast<socklen_t>(address.sockaddr_size()));
    const bool is_refused = connected != 0 && errno == ECONNREFUSED;
    ::close(static_cast<int>(*probe));
    return is_refused;
}

// Of the folder that a unix path lies in, for as long as a listener is made there: of two servers
// that start at once, the second finds the first one listening, not between bind and listen, where
// it would take its path for a dead one's.
//
// Whoever may read the folder can hold its lock for ever. A server holds it for microseconds, so
// who still holds it after a tenth of a second is making no listener: this one starts without it
// rather than let a client keep it from starting. Nor is a folder locked that cannot be opened.
class FolderLock {
  public:
    explicit FolderLock(const std::string& path) {
        const size_t slash = path.rfind('/');
        std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
        folder_ = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        for (int attempt = 1; folder_ >= 0 && attempt <= attempts_max; ++attempt) {
            if (::flock(folder_, LOCK_EX | LOCK_NB) == 0) return;
            if (errno != EWOULDBLOCK && errno != EINTR) return;
            std::this_thread::sleep_for(retry_wait);
        }
    }
    FolderLock(const FolderLock&) = delete;
    FolderLock& operator=(const FolderLock&) = delete;
    ~FolderLock() {
        if (folder_ >= 0) ::close(folder_);
    }

  private:
    static constexpr int attempts_max = 50;
    static constexpr std::chrono::milliseconds retry_wait{2};

    int folder_;
};

void set_tcp_options(Fd socket, AddressFamily family) {
    const int on = 1;
    // A restarted server takes its port back while old connections are in TIME_WAIT.
    ::setsockopt(static_cast<int>(socket), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (family != AddressFamily::ipv6) return;
    // "::" beside "0.0.0.0" would otherwise be in use on Linux and not on macOS.
    ::setsockopt(static_cast<int>(socket), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
}

Result<Fd> listen_on_tcp(Fd socket, const ListenOptions& options) {
    set_tcp_options(socket, options.address.family());
    const int os_errno = bind_to(socket, options.address);
    if (os_errno != 0) return closed_with(socket, os_errno, "bind");
    if (::listen(static_cast<int>(socket), options.backlog) != 0) {
        return closed_with(socket, errno, "listen");
    }
    return socket;
}

Result<Fd> listen_on_path(Fd socket, const ListenOptions& options) {
    const std::string path = options.address.path();
    const FolderLock lock(path);
    int os_errno = bind_to(socket, options.address);
    if (os_errno == EADDRINUSE && is_stale(options.address)) {
        ::unlink(path.c_str());
        os_errno = bind_to(socket, options.address);
    }
    if (os_errno != 0) return closed_with(socket, os_errno, "bind");
    // Between bind and listen everybody is refused: nobody comes in before the mode is set.
    const char* failed_step = nullptr;
    if (::chmod(path.c_str(), static_cast<mode_t>(options.unix_mode)) != 0) {
        failed_step = "set permissions of unix socket";
    } else if (::listen(static_cast<int>(socket), options.backlog) != 0) {
        failed_step = "listen";
    }
    if (failed_step == nullptr) return socket;
    os_errno = errno;
    ::unlink(path.c_str());
    return closed_with(socket, os_errno, failed_step);
}

}  // namespace

Result<Fd> open_listen_socket(const ListenOptions& options) {
    const Result<Fd> socket = open_stream_socket(options.address.family());
    if (!socket) return socket;
    return options.address.family() == AddressFamily::unix_path ? listen_on_path(*socket, options)
                                                                : listen_on_tcp(*socket, options);
}

}  // namespace blockd::io
