#include "support/process_status.h"

#include <libproc.h>
#include <mach/mach_time.h>
#include <sys/proc_info.h>
#include <sys/resource.h>

namespace blockd::support {

// rusage counts time in units of the Mach clock, which are not nanoseconds on Apple silicon.
ProcessStatus process_status(pid_t process) {
    ProcessStatus status;
    rusage_info_v2 usage{};
    auto* const pointer = reinterpret_cast<rusage_info_t*>(&usage);
    if (proc_pid_rusage(process, RUSAGE_INFO_V2, pointer) != 0) return status;
    mach_timebase_info_data_t timebase{};
    mach_timebase_info(&timebase);
    status.cpu_ns = (usage.ri_user_time + usage.ri_system_time) * timebase.numer / timebase.denom;
    status.resident_bytes = usage.ri_resident_size;
    status.resident_bytes_max = usage.ri_phys_footprint;
    const int size = proc_pidinfo(process, PROC_PIDLISTFDS, 0, nullptr, 0);
    status.descriptor_count = static_cast<uint32_t>(size) / PROC_PIDLISTFD_SIZE;
    return status;
}

}  // namespace blockd::support
